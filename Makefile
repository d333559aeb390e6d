# Placeholder until the sandbox lands its bootstrap.
