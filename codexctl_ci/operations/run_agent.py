"""The agent's run in a slot: entered into the slot's record, run or joined, judged by what it left behind."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import AgentFailed, AgentTimeout, CodexctlError
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import AgentEnding, AgentRequest, AgentRuntime
from codexctl_ci.slots.records import AgentRun, SlotRecord

log = logging.getLogger(__name__)

# Time to end the process tree and to read the ending, after the agent's own time is over.
DEADLINE_GRACE = timedelta(minutes=5)
MESSAGE_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What came of a run. ``conclusion`` is ``changed no_change agent_error infra_error timeout``.

    ``reason`` says why for all but the first; tokens are those of this run alone, cached ones among those read;
    ``cost`` is in the currency of the prices, None where there are none.
    """

    conclusion: str
    reason: str = ""
    thread_id: str = ""
    final_message: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    last_log_lines: tuple[str, ...] = ()
    resumed: bool = False
    joined: bool = False

    @property
    def green(self) -> bool:
        """Whether the run counts as a success."""
        return self.conclusion in ("changed", "no_change")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost: read, read from the model's cache, written."""

    read: float
    cached: float
    written: float

    def of(self, ending: AgentEnding) -> float:
        """What a run cost."""
        fresh = max(0, ending.input_tokens - ending.cached_input_tokens)
        spent = fresh * self.read + ending.cached_input_tokens * self.cached + ending.output_tokens * self.written
        return spent / 1_000_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the agent is given: its prompt, its configuration, the variables that this refers to."""

    prompt: str
    config_toml: str
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgentTask:
    """One run. ``prepare`` makes the prompt; it is told whether a thread is resumed.

    ``resume``: go on in the slot's thread where there is one. ``change_is_kept`` is False for runs whose files are
    thrown away (plans). ``max_tokens`` 0 is no limit.
    """

    key: str
    prepare: Callable[[bool], Prepared]
    total_timeout: timedelta
    idle_timeout: timedelta
    resume: bool = False
    change_is_kept: bool = True
    max_tokens: int = 0
    prices: Prices | None = None


def run_key(epoch: int, run_id: str) -> str:
    """The name of a run: the claim's epoch and the workflow run, without its attempt, so that a repeat joins."""
    return f"{epoch}-{re.sub(r'[^A-Za-z0-9._-]', '-', run_id)[:80] or 'local'}"


@dataclass
class AgentJournal:
    """The part of a slot's record that is the agent's. ``epoch`` 0: whatever epoch the slot is at."""

    store: SlotStore
    slot: int
    epoch: int = 0
    run_id: str = ""
    patience: timedelta = timedelta(minutes=10)

    def begin(self, key: str, lasts: timedelta) -> Entered:
        """Enter the run, after other commands and another agent's run have ended.

        Raises SlotBusy when that takes too long, SlotMoved where the slot is somebody else's.
        """
        lock = OperationLock(
            self.store,
            self.slot,
            what="start of the agent",
            run=self.run_id,
            epoch=self.epoch,
            patience=self.patience,
            agent_key=key,
        )
        with lock:
            before = lock.record.agent
            run = AgentRun(key, self.store.cluster.now() + lasts)
            record = lock.update(lambda record: entered(record, key, run))
        return Entered(record, before is not None and before.key != key and not before.published)

    def update(self, change: Callable[[SlotRecord], SlotRecord]) -> SlotRecord:
        """Change the record."""
        return self.store.update(self.slot, change, epoch=self.epoch)


@dataclass(frozen=True, slots=True)
class Entered:
    """A run that stands in the record. ``owes``: an earlier one left work that was not published."""

    record: SlotRecord
    owes: bool


def run_agent(journal: AgentJournal, runtime: AgentRuntime, task: AgentTask) -> AgentResult:
    """Run the agent to its end. Failures of the agent and its place are results; only what kept it from being
    entered or started (a slot that moved on, no rights) is raised."""
    begun = journal.begin(task.key, task.total_timeout + DEADLINE_GRACE)
    record = begun.record
    resume = ""
    if task.resume and record.thread_id:
        if runtime.knows_thread(record.thread_id):
            resume = record.thread_id
        else:
            log.warning("the thread %s is not there any more: starting a new one", record.thread_id)
    prepared = task.prepare(bool(resume))
    request = AgentRequest(
        key=task.key,
        prompt=prepared.prompt,
        config_toml=prepared.config_toml,
        total_timeout=task.total_timeout,
        idle_timeout=task.idle_timeout,
        resume=resume,
        pass_through=prepared.variables,
        max_tokens=task.max_tokens,
    )
    ended = False
    try:
        ending = runtime.run(request, lambda thread: _keep_thread(journal, thread))
        ended = ending.stopped
        result = _result(ending, begun, bool(resume), task.prices)
    except (KeyboardInterrupt, SystemExit):
        # The runtime has ended the process tree by now.
        ended = True
        _close(journal, task, None, begun, ended)
        raise
    except CodexctlError:
        _close(journal, task, None, begun, ended)
        raise
    _close(journal, task, result, begun, ended)
    return result


def raise_failure(result: AgentResult) -> None:
    """Raise the error that carries the exit code of a result that is not green."""
    if result.green:
        return
    if result.conclusion == "timeout":
        raise AgentTimeout("the agent's time is over", reason=result.reason, hint="its work is kept in the slot")
    if result.conclusion == "agent_error":
        raise AgentFailed("the agent failed", reason=result.reason, hint="its last lines are above")
    raise CodexctlError(
        "the agent's environment failed", reason=result.reason, hint="run this job again; its work is kept in the slot"
    )


def _result(ending: AgentEnding, begun: Entered, resumed: bool, prices: Prices | None) -> AgentResult:
    conclusion, reason = ending.conclusion, ending.reason
    if conclusion == "ended":
        # Work that an earlier run left unpublished is to be published now.
        if ending.tree_changed or begun.owes:
            conclusion, reason = "changed", ""
        else:
            conclusion, reason = "no_change", "the agent changed no file"
    return AgentResult(
        conclusion=conclusion,
        reason=reason,
        thread_id=ending.thread_id,
        final_message=_cut(ending.final_message),
        input_tokens=ending.input_tokens,
        cached_input_tokens=ending.cached_input_tokens,
        cost=prices.of(ending) if prices else None,
        output_tokens=ending.output_tokens,
        last_log_lines=ending.last_log_lines,
        resumed=resumed,
        joined=ending.joined,
    )


def _cut(message: str) -> str:
    # It travels through an environment variable of the next step: those end at 128 KiB.
    data = message.encode()
    return message if len(data) <= MESSAGE_BYTES else data[:MESSAGE_BYTES].decode("utf-8", "ignore") + "\n… (cut)"


def _keep_thread(journal: AgentJournal, thread: str) -> None:
    try:
        journal.update(lambda record: replace(record, thread_id=thread))
    except CodexctlError as error:
        log.warning("the thread could not be recorded: %s", error)


def _close(journal: AgentJournal, task: AgentTask, result: AgentResult | None, begun: Entered, ended: bool) -> None:
    """Write the run's end. Where the process may still be alive the record stays open until its deadline."""

    def closed(record: SlotRecord) -> SlotRecord:
        agent = record.agent
        if agent is None or agent.key != task.key:
            return record
        unchanged = result is not None and result.conclusion == "no_change"
        thrown_away = not task.change_is_kept and not begun.owes
        thread = (result.thread_id if result else "") or record.thread_id
        published = agent.published or unchanged or thrown_away
        # What a plan's agent left in the tree is in nobody's way: the next sync writes over it.
        tree = replace(record.tree, synced="", published="") if thrown_away else record.tree
        return replace(record, thread_id=thread, agent=replace(agent, ended=ended, published=published), tree=tree)

    try:
        journal.update(closed)
    except CodexctlError as error:
        log.warning("the end of the agent's run could not be recorded: %s", error)


def entered(record: SlotRecord, key: str, run: AgentRun) -> SlotRecord:
    """``record`` with the agent's run in it: a run of the same key that still goes on keeps its deadline."""
    now = record.agent
    tree = replace(record.tree, touched=True)
    if now is not None and now.key == key and not now.ended:
        return replace(record, tree=tree)
    return replace(record, agent=run, tree=tree)


def spent(result: AgentResult, seconds: float) -> str:
    """One line on a run that is over."""
    return f"{result.conclusion} after {format_duration(timedelta(seconds=seconds))}; {used(result)}"


def used(result: AgentResult) -> str:
    """What a run used, for people."""
    cached = f" ({result.cached_input_tokens:,} from the cache)" if result.cached_input_tokens else ""
    cost = f", cost {result.cost:.4f}" if result.cost is not None else ""
    return f"{result.input_tokens:,} tokens read{cached}, {result.output_tokens:,} written{cost}"
