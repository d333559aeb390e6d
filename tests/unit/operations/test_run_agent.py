"""The agent's run in a slot's record, and what its endings are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from codexctl_ci.errors import AgentFailed, AgentTimeout, CodexctlError, SlotMoved
from codexctl_ci.operations.run_agent import (
    AgentJournal,
    AgentResult,
    AgentTask,
    Prepared,
    Prices,
    raise_failure,
    run_agent,
    run_key,
    used,
)
from codexctl_ci.operations.slot_lock import SlotBusy
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import AgentEnding, AgentRequest
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.records import AgentRun, ClaimRecord, SlotRecord, SourceTree, leased_to
from tests.support.memory_cluster import MemoryCluster

THREAD = "01a1fd84-0ff6-7581-b8b0-763598be3ca9"
ENDED = AgentEnding("ended", thread_id=THREAD, final_message="Title: x", input_tokens=7, output_tokens=3)


class Runtime:
    """Plays one run: ``ending`` or an error; ``during`` is called while the agent works."""

    def __init__(self, ending: AgentEnding | BaseException, during: Callable[[], None] = lambda: None) -> None:
        self.ending, self.during = ending, during
        self.requests: list[AgentRequest] = []
        self.known = {THREAD}

    def knows_thread(self, thread_id: str) -> bool:
        return thread_id in self.known

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        self.requests.append(request)
        on_thread(THREAD)
        self.during()
        if isinstance(self.ending, BaseException):
            raise self.ending
        return self.ending


class Slot:
    """Slot 3, leased to issue 7."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.store = SlotStore(self.cluster, "shop-ai-staging", "shop", "ai")
        owner = ClaimRecord(Claim("ai", "issue", 7), uid="u7", holder="900")
        empty = SlotRecord("shop", "ai", 3, "shop-dev-3")
        self.store.put(leased_to(empty, owner, now=self.cluster.now(), ttl=timedelta(hours=24)))

    @property
    def record(self) -> SlotRecord:
        found = self.store.read(3)
        assert found is not None
        return found

    def change(self, **fields: object) -> None:
        self.store.update(3, lambda record: replace(record, **fields))  # type: ignore[arg-type]

    def run(self, runtime: Runtime, *, run_id: str = "900", epoch: int = 1, **more: object) -> AgentResult:
        journal = AgentJournal(self.store, 3, epoch, run_id, patience=timedelta(seconds=0.2))
        resumed: list[bool] = []

        def prepare(again: bool) -> Prepared:
            resumed.append(again)
            return Prepared("short" if again else "full", "", ("TOKEN",))

        task = AgentTask(run_key(epoch, run_id), prepare, timedelta(hours=1), timedelta(minutes=15))
        return run_agent(journal, runtime, replace(task, **more))  # type: ignore[arg-type]


@pytest.fixture
def slot() -> Slot:
    return Slot()


@pytest.mark.parametrize(
    ("ending", "conclusion"),
    [
        (replace(ENDED, tree_changed=True), "changed"),
        (ENDED, "no_change"),
        (replace(ENDED, conclusion="agent_error", reason="429", tree_changed=True), "agent_error"),
        (replace(ENDED, conclusion="timeout", reason="too long", tree_changed=True), "timeout"),
        (replace(ENDED, conclusion="infra_error", reason="pod gone"), "infra_error"),
    ],
)
def test_endings_have_their_conclusion(slot: Slot, ending: AgentEnding, conclusion: str) -> None:
    result = slot.run(Runtime(ending))
    assert (result.conclusion, result.thread_id, result.input_tokens, result.output_tokens) == (
        conclusion,
        THREAD,
        7,
        3,
    )
    assert result.green is (conclusion in ("changed", "no_change"))
    agent = slot.record.agent
    assert agent is not None and agent.ended
    assert agent.published is (conclusion == "no_change")
    assert slot.record.thread_id == THREAD and slot.record.tree.touched


def test_what_was_used_has_a_price_where_one_is_given(slot: Slot) -> None:
    used_up = replace(ENDED, input_tokens=3_000_000, cached_input_tokens=1_000_000, output_tokens=500_000)
    runtime = Runtime(used_up)
    result = slot.run(runtime, prices=Prices(read=1.25, cached=0.125, written=10), max_tokens=9)
    assert result.cost == pytest.approx(2 * 1.25 + 0.125 + 5) and runtime.requests[0].max_tokens == 9
    assert used(result) == "3,000,000 tokens read (1,000,000 from the cache), 500,000 written, cost 7.6250"
    free = slot.run(Runtime(ENDED), run_id="901")
    assert free.cost is None and used(free) == "7 tokens read, 3 written"


def test_record_holds_run_and_deadline_while_the_agent_works(slot: Slot) -> None:
    seen: list[SlotRecord] = []
    slot.run(Runtime(ENDED, lambda: seen.append(slot.record)))
    agent, now = seen[0].agent, slot.cluster.now()
    assert agent is not None and agent.key == "1-900" and not agent.ended
    assert timedelta(minutes=60) < agent.deadline - now < timedelta(minutes=70)
    assert seen[0].agent_running(now) and seen[0].thread_id == THREAD
    assert seen[0].lock is None
    assert not slot.record.agent_running(now)


def test_another_run_waits_for_the_agent_and_the_same_joins(slot: Slot) -> None:
    slot.run(Runtime(replace(ENDED, stopped=False, conclusion="infra_error")))
    assert slot.record.agent_running(slot.cluster.now())
    with pytest.raises(SlotBusy, match="an agent works in it"):
        slot.run(Runtime(ENDED), run_id="901")
    before = slot.record.agent
    seen: list[AgentRun | None] = []
    assert slot.run(Runtime(ENDED, lambda: seen.append(slot.record.agent))).conclusion == "no_change"
    assert seen == [before]


def test_run_of_an_older_epoch_never_starts(slot: Slot) -> None:
    runtime = Runtime(ENDED)
    with pytest.raises(SlotMoved):
        slot.run(runtime, epoch=4)
    assert runtime.requests == []


def test_resume_goes_on_in_the_threads_of_the_record_only(slot: Slot) -> None:
    fresh = Runtime(ENDED)
    slot.run(fresh, resume=True)
    again = Runtime(ENDED)
    assert slot.run(again, run_id="901", resume=True).resumed
    assert not slot.run(Runtime(ENDED), run_id="902").resumed
    assert [(request.resume, request.prompt) for request in fresh.requests + again.requests] == [
        ("", "full"),
        (THREAD, "short"),
    ]
    assert again.requests[0].pass_through == ("TOKEN",)


def test_thread_that_the_volume_lost_starts_anew_with_the_whole_prompt(slot: Slot) -> None:
    slot.change(thread_id="11111111-0ff6-7581-b8b0-763598be3ca9")
    runtime = Runtime(ENDED)
    assert not slot.run(runtime, resume=True).resumed
    assert (runtime.requests[0].resume, runtime.requests[0].prompt) == ("", "full")


def test_work_that_an_earlier_run_left_is_still_a_change(slot: Slot) -> None:
    slot.run(Runtime(replace(ENDED, conclusion="timeout", tree_changed=True)))
    assert slot.record.unpublished
    assert slot.run(Runtime(ENDED), run_id="901").conclusion == "changed"
    assert slot.record.unpublished


def test_plan_leaves_nothing_to_publish_but_hides_nothing_either(slot: Slot) -> None:
    slot.change(tree=SourceTree("c1", "t1"))
    slot.run(Runtime(replace(ENDED, tree_changed=True)), change_is_kept=False)
    assert not slot.record.unpublished
    assert slot.record.tree.synced == "", "the next sync may write over what a plan's agent tried"
    slot.change(tree=SourceTree("c1", "t1"))
    slot.run(Runtime(replace(ENDED, conclusion="agent_error")), run_id="901")
    slot.run(Runtime(ENDED), run_id="902", change_is_kept=False)
    assert slot.record.unpublished and slot.record.tree.synced == "t1"


def test_cancel_closes_the_record_and_is_raised_on(slot: Slot) -> None:
    with pytest.raises(KeyboardInterrupt):
        slot.run(Runtime(KeyboardInterrupt()))
    agent = slot.record.agent
    assert agent is not None and agent.ended and not agent.published


def test_slot_that_moved_on_meanwhile_is_not_written(slot: Slot) -> None:
    def move_on() -> None:
        slot.change(epoch=2, agent=None)

    slot.run(Runtime(ENDED, move_on))
    assert slot.record.agent is None


@pytest.mark.parametrize(
    ("conclusion", "kind", "code"),
    [("agent_error", AgentFailed, 7), ("timeout", AgentTimeout, 7), ("infra_error", CodexctlError, 1)],
)
def test_exit_codes_of_what_is_not_green(conclusion: str, kind: type[CodexctlError], code: int) -> None:
    with pytest.raises(kind) as caught:
        raise_failure(AgentResult(conclusion, "why"))
    assert (caught.value.exit_code, caught.value.conclusion) == (code, conclusion)
    assert "why" in str(caught.value)


def test_green_ones_raise_nothing() -> None:
    raise_failure(AgentResult("changed"))
    raise_failure(AgentResult("no_change"))


def test_long_message_still_fits_into_a_variable(slot: Slot) -> None:
    result = slot.run(Runtime(replace(ENDED, final_message="я" * 100_000)))
    assert len(result.final_message.encode()) < 64 * 1024 and result.final_message.endswith("(cut)")


def test_key_is_epoch_and_run_without_its_attempt() -> None:
    assert run_key(4, "123") == "4-123"
    assert run_key(4, "a b/../c") == "4-a-b-..-c"
    assert run_key(4, "") == "4-local"
