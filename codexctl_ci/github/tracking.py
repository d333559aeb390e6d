"""What slots ask about the issue or pull request that they are for."""

from __future__ import annotations

from codexctl_ci.errors import ApiError
from codexctl_ci.github import comments
from codexctl_ci.github.client import GitHub


class Tracker:
    """Implements ``IssueTracker``. What the token may not see is ``missing``, as what is not there."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def issue_state(self, number: int) -> str:
        """``open``, ``closed`` or ``missing``."""
        return self._state(f"issues/{number}")

    def pull_state(self, number: int) -> str:
        """``open``, ``closed`` (merged ones too) or ``missing``."""
        return self._state(f"pulls/{number}")

    def comment(self, number: int, topic: str, body: str) -> None:
        """Our one comment of the topic."""
        comments.upsert(self._github, number, topic, body)

    def _state(self, path: str) -> str:
        try:
            found = self._github.find(path)
        except ApiError as error:
            if error.status == 410:  # deleted
                return "missing"
            raise
        return str(found["state"]) if found else "missing"
