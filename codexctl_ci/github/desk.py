"""What publishing needs of GitHub, as its port says it."""

from __future__ import annotations

from codexctl_ci.github import comments, pulls
from codexctl_ci.github.client import GitHub
from codexctl_ci.github.reading import Reading
from codexctl_ci.ports import PullRequest
from codexctl_ci.prompts.context import ReviewThread


class Desk:
    """Implements ``PullHost``."""

    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._reading = Reading(github, {})

    def login(self) -> str:
        """The login that we write as."""
        return self._github.login()

    def default_branch(self) -> str:
        """Where pull requests go."""
        return str(self._github.call("GET", "")["default_branch"])

    def pull(self, number: int) -> PullRequest | None:
        """One pull request."""
        return pulls.get(self._github, number)

    def open_pull(self, branch: str) -> PullRequest | None:
        """The open pull request of a branch of this repository."""
        return pulls.find_by_head(self._github, branch)

    def ensure_pull(
        self, branch: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> tuple[PullRequest, bool]:
        """The open pull request of ``branch``, and whether it was created now."""
        return pulls.ensure(self._github, branch, base, title, body, draft=draft)

    def make_draft(self, pull: PullRequest) -> PullRequest:
        """Turn an open pull request into a draft."""
        return pulls.make_draft(self._github, pull)

    def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads."""
        return self._reading.review_threads(number)

    def answer(self, thread: str, body: str) -> None:
        """Answer in a review thread."""
        pulls.reply(self._github, thread, body)

    def comment(self, number: int, topic: str, body: str) -> None:
        """Our one comment of the topic."""
        comments.upsert(self._github, number, topic, body)
