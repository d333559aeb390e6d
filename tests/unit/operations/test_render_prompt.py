"""What is read of GitHub for a prompt, and as of when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codexctl_ci.errors import ApiError, ConfigError
from codexctl_ci.operations.render_prompt import Gathered, Subject, event_time, gather, mode_of
from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread

LABELED = datetime(2026, 1, 1, 10, tzinfo=UTC)


class Source:
    """A GitHub that notes what it is asked."""

    def __init__(
        self, linked: int = 0, labeled: tuple[datetime, ...] = (LABELED,), bodies: dict[int, str] | None = None
    ) -> None:
        self.linked, self.labeled, self.bodies = linked, labeled, bodies
        self.asked: list[tuple[str, int, datetime | None]] = []

    def issue(self, number: int, *, as_of: datetime | None = None) -> IssueContext:
        self.asked.append(("issue", number, as_of))
        if self.bodies is not None and number not in self.bodies:
            raise ApiError("not there", status=404)
        return IssueContext(number, "t", (self.bodies or {}).get(number, "b"), "a", labels=(f"label-{number}",))

    def pull(self, number: int, *, as_of: datetime | None = None) -> PullContext:
        self.asked.append(("pull", number, as_of))
        return PullContext(
            number, "t", "b", "a", "head", "1", "main", "2", labels=("of-pull",), linked_issue=self.linked
        )

    def review_threads(self, number: int) -> tuple[ReviewThread, ...]:
        self.asked.append(("threads", number, None))
        return ()

    def labeled_at(self, number: int, label: str) -> tuple[datetime, ...]:
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
    found = event_time(LABEL_EVENT, Source(labeled=()))
    assert found is not None and found.hour == 11


def test_run_that_is_started_again_keeps_the_moment_of_its_own_label() -> None:
    found = event_time(LABEL_EVENT, Source(labeled=(LABELED - timedelta(days=1), LABELED, LABELED + timedelta(days=1))))
    assert found == LABELED


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
    ("bodies", "above"),
    [
        ({7: "x\nAI-PLAN-PARENT: #5", 5: "AI-PLAN-PARENT: #2", 2: "root"}, [5, 2]),
        ({7: "ai-plan-parent: #5", 5: "AI-PLAN-PARENT: #7"}, [5]),
        ({7: "AI-PLAN-PARENT: #7"}, []),
        ({7: "AI-PLAN-PARENT: #5"}, []),
        ({7: "<!--\nAI-PLAN-PARENT: #5\n-->", 5: "evil"}, []),
        ({n: f"AI-PLAN-PARENT: #{n + 1}" for n in range(7, 30)}, [8, 9, 10, 11, 12]),
    ],
)
def test_plans_above_an_issue_are_read_with_a_bound(bodies: dict[int, str], above: list[int]) -> None:
    found = gather(Source(bodies=bodies), Subject("dev_issue", issue=7, event=LABEL_EVENT))
    assert [issue.number for issue in found.parents] == above


def test_plans_between_a_focus_and_its_root_are_read_once() -> None:
    bodies = {9: "AI-PLAN-PARENT: #5", 5: "AI-PLAN-PARENT: #2", 2: "root"}
    found = gather(Source(bodies=bodies), Subject("plan_issue", issue=2, focus=9))
    assert [issue.number for issue in found.parents] == [5]


def test_branch_that_names_an_issue_which_is_not_there_keeps_no_review_back() -> None:
    assert gather(Source(linked=12, bodies={}), Subject("dev_review", pull=14)).issue is None
    with pytest.raises(ApiError):
        gather(Source(bodies={}), Subject("dev_issue", issue=12))


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
