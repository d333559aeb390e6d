"""codexctl-ci: a deployed stack of its own for every issue, with a Codex agent beside it."""

__version__ = "0.1.0"

REPOSITORY = "codexctl-ci/codexctl-ci"
"""The project's public name on GitHub: the one place where it stands in code."""
