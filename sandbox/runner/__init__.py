"""A runner for the sandbox: takes the imitation's webhooks and runs the workflows that GitHub would, with `act`."""
