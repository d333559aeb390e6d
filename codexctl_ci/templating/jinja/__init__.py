"""The Jinja dialect: sandboxed, strict, with the project's functions."""
