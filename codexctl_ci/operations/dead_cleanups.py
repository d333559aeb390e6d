"""Clean-ups whose run died: who waits for a slot goes on with them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from codexctl_ci.errors import ApiError, CodexctlError, SlotMoved
from codexctl_ci.operations.cleanup import CleanupRequest, clean_slot
from codexctl_ci.operations.go_tool import GoTool
from codexctl_ci.operations.slot_lock import SlotBusy
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.observation import Stillness
from codexctl_ci.slots.queue import View
from codexctl_ci.slots.records import SlotRecord, SlotState

log = logging.getLogger(__name__)

_DELETION = timedelta(minutes=5)
_PAUSE_SECONDS = 60.0


@dataclass
class DeadCleanups:
    """Finds slots that nobody goes on cleaning, and cleans them.

    A clean-up is dead when its lock is gone, or stood still before our own eyes for the time it lasts.
    ``remove_rendered`` removes what a repair rendered into staging's namespace.
    """

    store: SlotStore
    go: GoTool
    run: str = ""
    remove_rendered: Callable[[SlotRecord], None] = lambda record: None
    stillness: Stillness = field(default_factory=Stillness)
    not_before: dict[int, float] = field(default_factory=dict)

    def find(self, view: View, at: float) -> SlotRecord | None:
        """The next slot to go on with, each once a minute. To be called at every look, ``at`` on a steady clock."""
        found = None
        for number, record in sorted(view.slots.items()):
            if record.state is not SlotState.CLEANING:
                continue
            self.stillness.observe_lock(str(number), record.lock, at)
            over = self.stillness.lock_is_over(str(number), record.lock, at)
            if over and found is None and at >= self.not_before.get(number, 0.0):
                found = record
        if found:
            self.not_before[found.slot] = at + _PAUSE_SECONDS
        return found

    def take_up(self, record: SlotRecord, patience: timedelta) -> None:
        """Go on with the slot's clean-up, for ``patience`` at most. Its record says what came of it."""
        log.info("slot %d: its clean-up stands still, going on with it", record.slot)
        request = CleanupRequest(
            record.reason,
            force=True,
            run=self.run,
            patience=timedelta(),
            deletion=min(_DELETION, patience),
            remove_rendered=self.remove_rendered,
            stillness=self.stillness,
        )
        try:
            clean_slot(self.store, record, request, go=self.go)
        except (SlotBusy, SlotMoved) as error:
            log.debug("slot %d: %s", record.slot, error)
        except CodexctlError as error:
            log.warning("slot %d: its clean-up could not be ended: %s", record.slot, error)


@contextmanager
def beating(store: SlotStore, claim: Claim, every: timedelta) -> Iterator[None]:
    """Keep the claim's place in the queue while something else is done."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(every.total_seconds()):
            try:
                store.beat(claim)
            except ApiError as error:
                log.debug("no heartbeat of %s: %s", claim, error)

    thread = threading.Thread(target=beat, name="claim-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
