"""Which of GitHub's texts may enter a prompt: those of writers, as they stood at the event, and still shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from codexctl_ci.prompts.context import Comment, Review, ReviewThread

COMMENT_COUNT = 50
"""How many comments of one issue a prompt holds."""


class _Text(Protocol):
    @property
    def body(self) -> str: ...
    @property
    def by_writer(self) -> bool: ...
    @property
    def minimized(self) -> bool: ...
    @property
    def edited_at(self) -> datetime | None: ...


T = TypeVar("T", bound=_Text)


def usable_comments(
    comments: Iterable[Comment], as_of: datetime | None, *, marker: str = "", most: int | None = None
) -> tuple[Comment, ...]:
    """The comments that may be used, or the newest ``most`` of them, oldest first.

    Left out: those of people without write permission, those written or edited after ``as_of`` (None: no moment is
    known, so that nothing edited is taken), minimised and empty ones, and our own (their text holds ``marker``).
    """
    kept = [
        comment
        for comment in comments
        if _usable(comment, as_of)
        and not (as_of is not None and comment.created_at > as_of)
        and not (marker and marker in comment.body)
    ]
    kept.sort(key=lambda comment: (comment.created_at, comment.id))
    return tuple(kept if most is None else kept[-most:])


def usable_reviews(reviews: Iterable[Review], as_of: datetime | None) -> tuple[Review, ...]:
    """Reviews of writers that say something and stand, oldest first."""
    kept = [
        review
        for review in reviews
        if _usable(review, as_of)
        and review.state in ("CHANGES_REQUESTED", "COMMENTED")
        and not (as_of is not None and review.submitted_at > as_of)
    ]
    return tuple(sorted(kept, key=lambda review: (review.submitted_at, review.id)))


def usable_threads(
    threads: Iterable[ReviewThread], as_of: datetime | None, *, marker: str = ""
) -> tuple[ReviewThread, ...]:
    """Unresolved threads with their usable comments; a thread none of whose comments may be used is left out."""
    kept = []
    for thread in threads:
        comments = usable_comments(thread.comments, as_of, marker=marker)
        if comments and not thread.resolved:
            kept.append(replace(thread, comments=comments))
    return tuple(kept)


def _usable(text: _Text, as_of: datetime | None) -> bool:
    if not text.by_writer or text.minimized or not text.body.strip():
        return False
    if text.edited_at is None:
        return True
    return as_of is not None and text.edited_at <= as_of
