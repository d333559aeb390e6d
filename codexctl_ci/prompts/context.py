"""What a prompt is made from: the issue, the pull request, its reviews, as they stood when the event happened.

Whoever fills these gives everything as GitHub has it; what of it may be used is decided in ``selection``.
Times are aware (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an issue or in a review thread.

    ``by_writer``: its author can write to the repository. ``edited_at``: the last edit, None where there was none.
    """

    id: int
    author: str
    body: str
    created_at: datetime
    by_writer: bool
    edited_at: datetime | None = None
    minimized: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class IssueContext:
    """An issue. ``title`` and ``body`` are those of the event's moment, whoever wrote them; ``late``: nobody can tell
    what the body was, since it was edited after that moment, and it is empty here."""

    number: int
    title: str
    body: str
    author: str
    labels: tuple[str, ...] = ()
    url: str = ""
    closed: bool = False
    late: bool = False
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """A review as a whole. ``state`` is GitHub's: ``CHANGES_REQUESTED``, ``COMMENTED``, ``APPROVED``, ``DISMISSED``."""

    id: int
    author: str
    state: str
    body: str
    submitted_at: datetime
    by_writer: bool
    edited_at: datetime | None = None
    minimized: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReviewThread:
    """A conversation on lines of a file. ``id`` is GitHub's node id; ``line`` is 0 where the line is gone."""

    id: str
    path: str
    line: int
    comments: tuple[Comment, ...]
    resolved: bool = False
    outdated: bool = False
    diff_hunk: str = ""


@dataclass(frozen=True, slots=True)
class PullContext:
    """A pull request. ``head_branch`` lies in ``head_repo`` (``owner/name``, empty where that is gone).

    ``linked_issue`` is the issue that its branch or its text names, 0 where there is none.
    """

    number: int
    title: str
    body: str
    author: str
    head_branch: str
    head_sha: str
    base_branch: str
    base_sha: str
    head_repo: str = ""
    labels: tuple[str, ...] = ()
    url: str = ""
    closed: bool = False
    late: bool = False
    linked_issue: int = 0
    comments: tuple[Comment, ...] = ()
    reviews: tuple[Review, ...] = ()
