"""Which comments may enter a prompt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.prompts.context import Comment, Review, ReviewThread
from codexctl_ci.prompts.selection import usable_comments, usable_reviews, usable_threads

EVENT = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE, AFTER = EVENT - timedelta(hours=1), EVENT + timedelta(seconds=1)
GOOD = Comment(1, "alice", "text", BEFORE, by_writer=True)
REVIEW = Review(1, "rita", "CHANGES_REQUESTED", "please", EVENT, by_writer=True)


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        (GOOD, True),
        (replace(GOOD, created_at=EVENT), True),
        (replace(GOOD, by_writer=False), False),
        (replace(GOOD, created_at=AFTER), False),
        (replace(GOOD, edited_at=BEFORE), True),
        (replace(GOOD, edited_at=EVENT), True),
        (replace(GOOD, edited_at=AFTER), False),
        (replace(GOOD, minimized=True), False),
        (replace(GOOD, body=" \n"), False),
        (replace(GOOD, body="<!-- ours env --> x"), False),
    ],
)
def test_comments_of_writers_as_they_stood_at_the_event(comment: Comment, kept: bool) -> None:
    assert bool(usable_comments([comment], EVENT, marker="<!-- ours env -->")) is kept


def test_without_a_moment_nothing_edited_is_taken() -> None:
    assert usable_comments([GOOD], None)
    assert not usable_comments([replace(GOOD, edited_at=BEFORE)], None)


def test_newest_comments_win_and_stand_in_order() -> None:
    many = [replace(GOOD, id=n, created_at=BEFORE + timedelta(seconds=n)) for n in (3, 1, 2, 4)]
    assert [comment.id for comment in usable_comments(many, EVENT, most=2)] == [3, 4]


@pytest.mark.parametrize(
    ("review", "kept"),
    [
        (REVIEW, True),
        (replace(REVIEW, state="COMMENTED"), True),
        (replace(REVIEW, state="APPROVED"), False),
        (replace(REVIEW, state="DISMISSED"), False),
        (replace(REVIEW, body=""), False),
        (replace(REVIEW, by_writer=False), False),
        (replace(REVIEW, submitted_at=AFTER), False),
        (replace(REVIEW, edited_at=AFTER), False),
    ],
)
def test_reviews_of_writers_that_stand(review: Review, kept: bool) -> None:
    assert bool(usable_reviews([review], EVENT)) is kept


def test_threads_without_a_usable_comment_and_resolved_ones_are_left_out() -> None:
    stranger = replace(GOOD, id=2, by_writer=False)
    threads = [
        ReviewThread("T1", "a.py", 1, (GOOD, stranger)),
        ReviewThread("T2", "a.py", 2, (stranger,)),
        ReviewThread("T3", "a.py", 3, (GOOD,), resolved=True),
    ]
    kept = usable_threads(threads, EVENT)
    assert [(thread.id, [comment.id for comment in thread.comments]) for thread in kept] == [("T1", [1])]
