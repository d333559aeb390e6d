"""Who gets which slot: records and the time in, the next action of one claim out.

Waiting claims stand in the order they came (creation time, ties by UID), free slots in the order they became free;
the i-th claim takes the i-th slot, so that nobody runs after the same one. A claim writes the slot it goes for into
its own record before it takes it: two runs of one claim can't end up with two slots.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState, UnreadableSlot

SETTLING = timedelta(seconds=1.2)
"""How long after its creation a claim's place among others of the same second may still change: the API server's
times have whole seconds, and a claim created later in that second may have the smaller UID."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class View:
    """All records of one project's environment as one watch has seen them. Slots by number, claims by key."""

    slots: Mapping[int, SlotRecord] = field(default_factory=dict)
    claims: Mapping[str, ClaimRecord] = field(default_factory=dict)
    taken: Collection[int] = ()
    """Slots that somebody outside of our records holds."""
    unreadable: Mapping[int, UnreadableSlot] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """What one run wants: a slot for ``claim``, out of ``limit`` slots (0: no limit), or only ``wanted`` (0: any)."""

    claim: Claim
    limit: int = 0
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The claim has this slot."""

    record: SlotRecord


@dataclass(frozen=True, slots=True)
class Join:
    """Create the claim's record, guessing at ``target`` (0: no guess)."""

    target: int


@dataclass(frozen=True, slots=True)
class Aim:
    """Write ``target`` firmly into the claim's record."""

    claim: ClaimRecord
    target: int


@dataclass(frozen=True, slots=True)
class Take:
    """Take the slot: replace its record, or create it where ``record`` is None."""

    claim: ClaimRecord
    slot: int
    record: SlotRecord | None


@dataclass(frozen=True, slots=True)
class Leave:
    """Delete this record of the claim: it belongs to a slot that is being cleaned, and can't stand in the queue."""

    claim: ClaimRecord


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a record changes, or until ``until`` on the API server's clock."""

    ahead: int
    until: datetime | None = None


Action: TypeAlias = Found | Join | Aim | Take | Leave | Wait


def next_action(view: View, ask: Ask, now: datetime, stale: Collection[str] = ()) -> Action:
    """What the run of ``ask`` does next, given all it has seen.

    ``stale`` are keys of claims whose runs are gone: their records stood still too long on the observer's clock.
    ``now`` is the API server's time.
    """
    held = slot_of(view, ask.claim)
    if held is not None:
        return Found(held)
    mine = view.claims.get(ask.claim.key)
    queue = waiting(view, stale)
    if mine is None:
        guess = _next_in_line(view, ask, queue)
        return Join(guess)
    if mine.uid in _spent(view):
        return Leave(mine)
    places = assignments(view, ask.limit, queue)
    slot = places.get(mine.claim.key, 0)
    if not slot:
        return Wait(ahead=_ahead(queue, mine))
    if mine.target != slot:
        settled = _settled_at(mine)
        if now < settled and _tied(queue, mine):
            return Wait(ahead=_ahead(queue, mine), until=settled)
        return Aim(mine, slot)
    return Take(mine, slot, view.slots.get(slot))


def slot_of(view: View, claim: Claim) -> SlotRecord | None:
    """The slot that ``claim`` has, by its own key first, else by a number linked to it.

    Raises UnreadableRecord where it may have one whose record can't be read.
    """
    held = readable_slot_of(view, claim)
    for slot in view.unreadable.values():
        if held is None and slot.may_be_of(claim):
            raise slot.error
    return held


def readable_slot_of(view: View, claim: Claim) -> SlotRecord | None:
    """The same, as far as records can be read."""
    held = [record for record in view.slots.values() if record.belongs_to(claim)]
    held.sort(key=lambda record: (record.claim != claim.key, record.slot))
    return held[0] if held else None


def waiting(view: View, stale: Collection[str] = ()) -> list[ClaimRecord]:
    """Claims without a slot whose runs are alive, in the order they came."""
    owners = {record.claim for record in view.slots.values() if record.state is SlotState.LEASED}
    owners |= {slot.claim for slot in view.unreadable.values()}
    gone, spent = owners | set(stale), _spent(view)
    found = [claim for key, claim in view.claims.items() if key not in gone and claim.uid not in spent]
    return sorted(found, key=lambda claim: (claim.created or _NEVER, claim.uid))


def free_slots(view: View, limit: int, need: int) -> list[int]:
    """Slots that can be taken, in the order they became free. Without a limit as many as ``need``."""
    taken = set(view.taken) | set(view.unreadable)
    numbers = set(view.slots)
    if limit:
        numbers = set(range(1, limit + 1))
    else:
        numbers |= set(range(1, len(numbers) + len(taken) + need + 1))
    usable = [
        number for number in numbers if number not in taken and (number not in view.slots or view.slots[number].free)
    ]
    return sorted(usable, key=lambda number: (_freed(view, number), number))


def assignments(view: View, limit: int, queue: list[ClaimRecord]) -> dict[str, int]:
    """Which claim of ``queue`` may take which slot now, by claim key. Claims that must wait are absent."""
    need = max([len(queue), *(claim.wanted for claim in queue), *(claim.target for claim in queue)], default=0)
    usable = free_slots(view, limit, need)
    places: dict[str, int] = {}
    for claim in queue:
        if claim.firm and claim.target in usable and claim.wanted in (0, claim.target):
            places[claim.claim.key] = claim.target
            usable.remove(claim.target)
    for claim in _guesses(queue, places, usable):
        # A guess that was right is being taken already, unless that would leave somebody who came earlier without.
        earlier = sum(1 for other in queue if _before(other, claim) and other.claim.key not in places)
        if claim.target in usable and earlier < len(usable):
            places[claim.claim.key] = claim.target
            usable.remove(claim.target)
    for claim in queue:
        if claim.claim.key in places:
            continue
        if claim.wanted:
            if claim.wanted in usable:
                places[claim.claim.key] = claim.wanted
                usable.remove(claim.wanted)
        elif usable:
            places[claim.claim.key] = usable.pop(0)
    return places


def _guesses(queue: list[ClaimRecord], places: Mapping[str, int], usable: list[int]) -> list[ClaimRecord]:
    """Claims that guessed a free slot as they came, in the order they were written."""
    found = [
        claim
        for claim in queue
        if claim.claim.key not in places and claim.target in usable and claim.wanted in (0, claim.target)
    ]
    return sorted(found, key=lambda claim: _number(claim.resource_version))


def _before(one: ClaimRecord, other: ClaimRecord) -> bool:
    return (one.created or _NEVER) < (other.created or _NEVER)


def _number(version: str) -> float:
    return int(version) if version.isdigit() else float("inf")


def _spent(view: View) -> set[str]:
    """UIDs of claims whose slot was taken from them and is not free yet."""
    return {
        record.claim_uid
        for record in view.slots.values()
        if record.claim_uid and record.state in (SlotState.CLEANING, SlotState.DIRTY)
    }


def _next_in_line(view: View, ask: Ask, queue: list[ClaimRecord]) -> int:
    """The slot that a claim which comes now would get, 0 where it would wait."""
    last = ClaimRecord(ask.claim, wanted=ask.wanted, created=_LAST)
    return assignments(view, ask.limit, [*queue, last]).get(ask.claim.key, 0)


def _ahead(queue: list[ClaimRecord], mine: ClaimRecord) -> int:
    return next((place for place, claim in enumerate(queue) if claim.claim == mine.claim), len(queue))


def _tied(queue: list[ClaimRecord], mine: ClaimRecord) -> bool:
    return any(claim.created == mine.created and claim.claim != mine.claim for claim in queue)


def _settled_at(claim: ClaimRecord) -> datetime:
    return (claim.created or _NEVER) + SETTLING


def _freed(view: View, number: int) -> float:
    """When the slot became free, as the order of versions tells: no clock is as exact. Slots never used come last:
    the host names of used ones have certificates already."""
    record = view.slots.get(number)
    return _number(record.resource_version) if record else float("inf")
