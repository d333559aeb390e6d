"""What is read of GitHub for a prompt, and as of when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.render_prompt import Gathered, Subject, event_time, gather, mode_of
from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread

LABELED = datetime(2026, 1, 1, 10, tzinfo=UTC)


class Source:
    """A GitHub that notes what it is asked."""

    def __init__(self, linked: int = 0, labeled: datetime | None = LABELED) -> None:
        self.linked, self.labeled = linked, labeled
        self.asked: list[tuple[str, int, datetime | None]] = []

    def issue(self, number: int, *, as_of: datetime | None = None) -> IssueContext:
        self.asked.append(("issue", number, as_of))
        return IssueContext(number, "t", "b", "a", labels=(f"label-{number}",))

    def pull(self, number: int, *, as_of: datetime | None = None) -> PullContext:
        self.asked.append(("pull", number, as_of))
        return PullContext(
            number, "t", "b", "a", "head", "1", "main", "2", labels=("of-pull",), linked_issue=self.linked
        )

    def review_threads(self, number: int) -> tuple[ReviewThread, ...]:
        self.asked.append(("threads", number, None))
        return ()

    def labeled_at(self, number: int, label: str) -> datetime | None:
        return self.labeled


LABEL_EVENT = {
    "action": "labeled",
    "label": {"name": "[ai-dev]"},
    "issue": {"number": 7, "updated_at": "2026-01-01T11:00:00Z"},
}


@pytest.mark.parametrize(
    ("event", "moment"),
    [
        (LABEL_EVENT, 10),
        (
            {"action": "opened", "issue": {"number": 7, "updated_at": "2026-01-01T11:00:00Z"}},
            11,
        ),
        (
            {"comment": {"created_at": "2026-01-01T12:00:00Z"}, "issue": {}},
            12,
        ),
        ({"review": {"submitted_at": "2026-01-01T13:00:00Z"}, "pull_request": {}}, 13),
        ({"ref": "refs/heads/main"}, None),
        ({"issue": {"updated_at": "yesterday"}}, None),
        ({"issue": {"updated_at": "2026-01-01T11:00:00"}}, None),
        ({}, None),
    ],
)
def test_moment_of_the_event(event: dict[str, Any], moment: int | None) -> None:
    found = event_time(event, Source())
    assert (found.hour if found else None) == moment


def test_label_without_a_timeline_falls_back_to_the_payload() -> None:
    found = event_time(LABEL_EVENT, Source(labeled=None))
    assert found is not None and found.hour == 11


def test_issue_work_reads_the_issue_as_of_the_event() -> None:
    source = Source()
    found = gather(source, Subject("dev_issue", issue=7, event=LABEL_EVENT))
    assert source.asked == [("issue", 7, LABELED)]
    assert found.issue_labels == ("label-7",) and found.pull_labels == ()


def test_review_reads_pull_threads_and_its_issue() -> None:
    source = Source(linked=12)
    found = gather(source, Subject("dev_review", pull=14))
    assert [(what, number) for what, number, _ in source.asked] == [("pull", 14), ("issue", 12), ("threads", 14)]
    assert (found.issue_labels, found.pull_labels) == (("label-12",), ("of-pull",))


def test_focus_has_the_labels_that_count() -> None:
    found = gather(Source(), Subject("plan_issue", issue=1, focus=5))
    assert found.issue is not None and found.issue.number == 1 and found.issue_labels == ("label-5",)
    assert gather(Source(), Subject("plan_issue", issue=5, focus=5)).focus is None


@pytest.mark.parametrize(
    ("kind", "option"), [("dev_issue", "--issue"), ("plan_review", "--issue"), ("dev_review", "--pr")]
)
def test_missing_subject_names_the_option(kind: str, option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        gather(Source(), Subject(kind))


def test_nothing_gathered_has_no_labels() -> None:
    assert (Gathered().issue_labels, Gathered().pull_labels) == ((), ())


@pytest.mark.parametrize(
    ("wanted", "resumed", "continuation", "mode"),
    [
        ("", False, False, "full"),
        ("", True, False, "short"),
        ("", True, True, "full"),
        ("full", True, False, "full"),
        ("short", True, False, "short"),
        ("short", False, False, "full"),
        ("short", True, True, "full"),
    ],
)
def test_mode(wanted: str, resumed: bool, continuation: bool, mode: str) -> None:
    assert mode_of(wanted, resumed=resumed, continuation=continuation) == mode
