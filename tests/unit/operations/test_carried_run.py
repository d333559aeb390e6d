"""Work that is done away from the slot comes into it, however the run ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.carried_run import CarriedRun
from codexctl_ci.ports import AgentEnding, AgentRequest

MINUTE = timedelta(minutes=1)
REQUEST = AgentRequest("1-1", "do it", "", MINUTE, MINUTE)


@dataclass
class Steps:
    """A runtime and a copy that note what is asked of them, and fail where they are told to."""

    fails: str = ""
    ends: AgentEnding | type[BaseException] = field(default_factory=lambda: AgentEnding("ended", tree_changed=True))
    seen: list[str] = field(default_factory=list)

    def _step(self, name: str) -> None:
        self.seen.append(name)
        if name == self.fails:
            raise CodexctlError(f"{name} is not possible")

    def fetch(self) -> None:
        self._step("fetch")

    def hand_over(self) -> None:
        self._step("hand over")

    def forget(self) -> None:
        self._step("forget")

    def knows_thread(self, thread_id: str) -> bool:
        return thread_id == "known"

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        self._step("run")
        if not isinstance(self.ends, AgentEnding):
            raise self.ends
        return self.ends


def carried(steps: Steps, *, kept: bool = True) -> AgentEnding:
    return CarriedRun(steps, steps, kept).run(REQUEST, lambda thread: None)


@pytest.mark.parametrize("conclusion", ["ended", "agent_error", "timeout", "infra_error"])
def test_work_is_handed_over_however_the_run_ends(conclusion: str) -> None:
    steps = Steps(ends=AgentEnding(conclusion))
    assert carried(steps).conclusion == conclusion
    assert steps.seen == ["fetch", "run", "hand over"]


def test_cancelled_run_hands_over_and_stays_cancelled() -> None:
    steps = Steps(ends=KeyboardInterrupt, fails="hand over")
    with pytest.raises(KeyboardInterrupt):
        carried(steps)
    assert steps.seen == ["fetch", "run", "hand over"]


def test_sources_that_do_not_come_start_no_agent() -> None:
    steps = Steps(fails="fetch")
    ending = carried(steps)
    assert (ending.conclusion, ending.stopped, steps.seen) == ("infra_error", True, ["fetch"])
    assert "fetch is not possible" in ending.reason


def test_work_that_stays_behind_is_told_and_never_green() -> None:
    ending = carried(Steps(fails="hand over"))
    assert ending.conclusion == "infra_error" and "still on the runner: hand over is not possible" in ending.reason


def test_files_of_a_plan_are_thrown_away() -> None:
    steps = Steps()
    assert carried(steps, kept=False).conclusion == "ended"
    assert steps.seen == ["fetch", "run", "forget"]
