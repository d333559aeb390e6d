"""When a slot's time is over: record, the state of its issue and the API server's time in, what to do out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState

Step = Literal["none", "clean", "retry", "warn", "keep"]

ABANDONED = timedelta(minutes=10)
"""How long a waiting claim may go without a heartbeat before it is taken out of the queue."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about a slot, and why. ``keep``: its time is over, but something speaks against it."""

    step: Step
    reason: str = ""


def due(record: SlotRecord, *, now: datetime, closed: str, grace: timedelta) -> Due:
    """What to do about one slot.

    ``closed`` names the issue or pull request of the slot that is closed, empty where none is (or nobody knows).
    A slot whose issue is open is taken only when it expired, a warning was given, and ``grace`` has passed since
    without a renewal.
    """
    if record.state in (SlotState.CLEANING, SlotState.DIRTY):
        return Due("retry", record.reason or "an earlier clean-up did not end")
    if record.free:
        return Due("none")
    if record.agent_running(now):
        return Due("keep", "an agent works in it") if closed or _expired(record, now) else Due("none")
    if closed:
        return Due("clean", f"{closed} is closed")
    if not _expired(record, now):
        return Due("none")
    if record.unpublished:
        return Due("keep", "it expired, but an agent's work in it is not published")
    if record.warned is None:
        return Due("warn", f"it expired at {record.expires:%Y-%m-%d %H:%M} UTC")
    if now < record.warned + grace:
        return Due("none", f"warned, will be taken after {record.warned + grace:%Y-%m-%d %H:%M} UTC")
    return Due("clean", "it expired, and nobody renewed it after the warning")


def abandoned(claim: ClaimRecord, now: datetime) -> bool:
    """Whether a claim's run has not been heard of for so long that it can't be waiting any more."""
    heard = max((at for at in (claim.renewed, claim.created) if at), default=None)
    return heard is not None and now - heard > ABANDONED


def _expired(record: SlotRecord, now: datetime) -> bool:
    return record.expires is not None and record.expires <= now
