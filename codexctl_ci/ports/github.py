"""GitHub: where people talk, and what prompts read there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread


class IssueTracker(Protocol):
    """What slots ask about the issue or pull request that they are for, and tell there."""

    def issue_state(self, number: int) -> str:
        """``open``, ``closed`` or ``missing``."""

    def pull_state(self, number: int) -> str:
        """``open``, ``closed`` (merged ones too) or ``missing``."""

    def comment(self, number: int, topic: str, body: str) -> None:
        """The one comment of ours about ``topic`` on an issue or pull request, made or brought up to date."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What we need of a pull request. ``own`` is whether its head lies in this repository; ``state`` is GitHub's."""

    number: int
    url: str
    head: str
    head_sha: str
    base: str
    base_sha: str
    own: bool
    state: str
    merged: bool
    title: str
    draft: bool = False
    node: str = ""
    """Its name in GitHub's other API."""


class PullHost(Protocol):
    """The side of the repository where people talk: pull requests, their threads, comments of ours."""

    def login(self) -> str:
        """The login that we write as."""

    def default_branch(self) -> str:
        """Where pull requests go."""

    def pull(self, number: int) -> PullRequest | None:
        """The pull request, None where there is none of that number."""

    def open_pull(self, branch: str) -> PullRequest | None:
        """The open pull request of a branch of this repository."""

    def ensure_pull(
        self, branch: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> tuple[PullRequest, bool]:
        """The open pull request of ``branch``, created where there is none, and whether it was."""

    def make_draft(self, pull: PullRequest) -> PullRequest:
        """Turn an open pull request into a draft, where its repository has drafts; how it is now."""

    def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads of the pull request with their comments, oldest first."""

    def answer(self, thread: str, body: str) -> None:
        """Answer in a review thread. An answer that met a fault may stand there all the same."""

    def comment(self, number: int, topic: str, body: str) -> None:
        """The one comment of ours about ``topic`` on an issue or pull request, made or brought up to date."""


class IssueSource(Protocol):
    """What prompts read of GitHub. Methods raise ApiError for an answer other than success, 404 included."""

    def issue(self, number: int, *, as_of: datetime | None = None) -> IssueContext:
        """The issue with its comments; title and body as they stood at ``as_of`` (None: as they are)."""

    def pull(self, number: int, *, as_of: datetime | None = None) -> PullContext:
        """The pull request with its comments and reviews; title and body as they stood at ``as_of``."""

    def review_threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads of the pull request with their comments, oldest first."""

    def labeled_at(self, number: int, label: str) -> tuple[datetime, ...]:
        """When the label was put on the issue, each time, by its timeline; oldest first."""
