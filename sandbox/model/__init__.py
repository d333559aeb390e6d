"""A model server for the sandbox: speaks the Responses API, and answers by playbooks instead of a model."""
