"""The operation lock: one command at a time works on a slot.

It lasts a minute and is renewed while the command runs. Who finds it taken takes it over only after watching it stand
still for its whole duration on an own clock, so that no difference of clocks can steal it.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import TracebackType

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import ApiError, CodexctlError, SlotMoved
from codexctl_ci.operations.slot_store import SlotStore, check_epoch
from codexctl_ci.operations.steady_clock import steady_seconds
from codexctl_ci.slots.observation import Stillness
from codexctl_ci.slots.records import Lock, SlotRecord

log = logging.getLogger(__name__)

LOCK_SECONDS = 60
_POLL_SECONDS = 5.0
_REPORT_SECONDS = 30.0


class SlotBusy(CodexctlError):
    """Another command, or an agent, works on the slot and did not end in the time given."""


class OperationLock:
    """``with OperationLock(store, slot, what="apply") as lock: ...``; ``lock.record`` is the slot's record then.

    Waits up to ``patience`` for other commands, and for an agent that runs in the slot unless ``beside_agent``.
    Raises SlotBusy when that is over, SlotMoved where the slot is not at ``epoch`` (0: whatever it is). While it is
    held a thread renews it; ``check`` raises SlotMoved once it was lost, and is to be called before each write.
    ``stillness``: what was seen of the lock before, under the slot's number and on the same ``clock``.
    """

    def __init__(
        self,
        store: SlotStore,
        slot: int,
        *,
        what: str,
        run: str = "",
        epoch: int = 0,
        patience: timedelta = timedelta(minutes=10),
        beside_agent: bool = False,
        agent_key: str = "",
        seconds: int = 0,
        stillness: Stillness | None = None,
        clock: Callable[[], float] = steady_seconds,
    ) -> None:
        self._store, self._slot, self._epoch, self._clock = store, slot, epoch, clock
        self._patience, self._beside_agent, self._agent_key = patience, beside_agent, agent_key
        self._mine = Lock(by=secrets.token_hex(8), run=run, what=what, seconds=seconds or LOCK_SECONDS)
        self._stillness = stillness or Stillness()
        self._renewed = 0.0
        self._lost: SlotMoved | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.record = SlotRecord("", "", slot, "")

    def __enter__(self) -> OperationLock:
        self._acquire()
        self._thread = threading.Thread(target=self._renew, name="slot-lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._store.update(self._slot, self._without_mine)
        except (ApiError, SlotMoved) as failure:
            # It runs out by itself; the error of the work, if any, matters more.
            log.warning("could not give back the lock of slot %d: %s", self._slot, failure)

    def check(self) -> None:
        """Raise SlotMoved where the slot is no longer ours to write to. Costs a request only after a long pause."""
        if self._lost is not None:
            raise self._lost
        if self._clock() - self._renewed > self._mine.seconds * 0.75:
            self._beat()

    def update(self, change: Callable[[SlotRecord], SlotRecord]) -> SlotRecord:
        """Change the slot's record while the lock is ours."""

        def guarded(record: SlotRecord) -> SlotRecord:
            self._require_mine(record)
            return change(record)

        self.record = self._store.update(self._slot, guarded, epoch=self._epoch)
        return self.record

    def _acquire(self) -> None:
        began = self._clock()
        report, stillness, name = began + 1.0, self._stillness, str(self._slot)
        while True:
            record = self._store.read(self._slot)
            if record is None:
                raise SlotMoved("the slot has no record", obj=self._store.describe(self._slot))
            check_epoch(record, self._epoch)
            at = self._clock()
            stillness.observe_lock(name, record.lock, at)
            why = self._obstacle(record, stillness.lock_is_over(name, record.lock, at))
            if not why:
                try:
                    self.record = self._store.put(replace(record, lock=self._mine))
                    self._renewed = at
                    return
                except ApiError as error:
                    if not error.conflict:
                        raise
                    continue
            waited = at - began
            if waited >= self._patience.total_seconds():
                raise SlotBusy(
                    f"still busy after {format_duration(self._patience)}",
                    obj=self._store.describe(self._slot),
                    reason=why,
                    hint="wait for that run to end, or cancel it",
                )
            if at >= report:
                report = at + _REPORT_SECONDS
                log.info("slot %d: waiting, %s", self._slot, why)
            self._pause(record, at, began)

    def _obstacle(self, record: SlotRecord, lock_over: bool) -> str:
        if not lock_over and record.lock is not None:
            return f"{record.lock.what} of run {record.lock.run or '?'} is going on"
        if self._beside_agent or record.agent is None or record.agent.key == self._agent_key:
            return ""
        if not record.agent_running(self._store.cluster.now()):
            return ""
        return f"an agent works in it until {record.agent.deadline:%H:%M:%S} UTC at the latest"

    def _pause(self, record: SlotRecord, at: float, began: float) -> None:
        left = began + self._patience.total_seconds() - at
        watch = self._store.watch_slot(record, timedelta(seconds=max(0.05, min(_POLL_SECONDS, left))))
        try:
            next(iter(watch), None)
        finally:
            watch.close()

    def _renew(self) -> None:
        while not self._end.wait(self._mine.seconds / 3):
            try:
                self._beat()
            except SlotMoved as moved:
                self._lost = moved
                return
            except ApiError as error:
                log.warning("could not renew the lock of slot %d: %s", self._slot, error)

    def _beat(self) -> None:
        at = self._clock()

        def renewed(record: SlotRecord) -> SlotRecord:
            lock = self._require_mine(record)
            return replace(record, lock=replace(lock, beat=lock.beat + 1))

        try:
            self.record = self._store.update(self._slot, renewed, epoch=self._epoch)
        except SlotMoved as moved:
            self._lost = moved
            raise
        self._renewed = at

    def _require_mine(self, record: SlotRecord) -> Lock:
        if record.lock is None or record.lock.by != self._mine.by:
            raise SlotMoved(
                "another run took the slot over while this one stood still",
                obj=self._store.describe(self._slot),
                reason=f"its lock is held by {record.lock.what} of run {record.lock.run}" if record.lock else "",
                hint="run the job again",
            )
        return record.lock

    def _without_mine(self, record: SlotRecord) -> SlotRecord:
        if record.lock is None or record.lock.by != self._mine.by:
            return record
        return replace(record, lock=None)
