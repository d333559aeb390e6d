"""What slots ask about issues and pull requests."""

from __future__ import annotations

from codexctl_ci.github import comments
from codexctl_ci.github.client import GitHub


class Tracker:
    """Implements ``ports.IssueTracker``."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def issue_state(self, number: int) -> str:
        found = self._github.find(f"issues/{number}")
        return str(found["state"]) if found else "missing"

    def pull_state(self, number: int) -> str:
        found = self._github.find(f"pulls/{number}")
        return str(found["state"]) if found else "missing"

    def comment(self, number: int, topic: str, body: str) -> None:
        comments.upsert(self._github, number, topic, body)
