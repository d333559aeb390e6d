"""A world of runs that want slots, one step at a time: the real engine and records, an API that only keeps objects.

Each run sees the world late: its view stands at some version of the past and moves on when the test says so, but
never further back than its own writes were answered. Runs can be killed between any two steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from codexctl_ci.slots.claims import Claim, parse_key
from codexctl_ci.slots.queue import Aim, Ask, Found, Join, Leave, Take, View, next_action
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState, cleaning, freed, leased_to

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TTL = timedelta(hours=24)


class Lost(Exception):
    """A compare-and-swap that somebody else won."""


@dataclass
class Api:
    """Objects with versions, and every state they were ever in."""

    seconds: float = 0.0
    version: int = 0
    slots: dict[int, SlotRecord] = field(default_factory=dict)
    claims: dict[str, ClaimRecord] = field(default_factory=dict)
    history: list[View] = field(default_factory=lambda: [View()])
    uids: int = 0
    writes: int = 0

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def put_slot(self, record: SlotRecord) -> SlotRecord:
        known = self.slots.get(record.slot)
        if (known.resource_version if known else "") != record.resource_version:
            raise Lost
        if record.state is SlotState.LEASED and known is not None:
            assert known.free or known.claim == record.claim, f"slot {record.slot} was taken from {known.claim}"
            assert known.free or known.epoch == record.epoch
        written = replace(record, resource_version=self._next())
        self.slots[record.slot] = written
        self._keep()
        return written

    def create_claim(self, record: ClaimRecord, uid: str) -> ClaimRecord:
        if record.claim.key in self.claims:
            raise Lost
        self.uids += 1
        created = self.now.replace(microsecond=0)
        made = replace(record, created=created, uid=f"{uid}-{self.uids}", resource_version=self._next())
        self.claims[record.claim.key] = made
        self._keep()
        return made

    def put_claim(self, record: ClaimRecord) -> ClaimRecord:
        known = self.claims.get(record.claim.key)
        if known is None or known.resource_version != record.resource_version:
            raise Lost
        written = replace(record, resource_version=self._next())
        self.claims[record.claim.key] = written
        self._keep()
        return written

    def drop_claim(self, claim: Claim, uid: str = "", version: str = "") -> bool:
        known = self.claims.get(claim.key)
        if known is None or uid not in ("", known.uid) or version not in ("", known.resource_version):
            return False
        self._next()
        del self.claims[claim.key]
        self._keep()
        return True

    def _next(self) -> str:
        self.version += 1
        self.writes += 1
        return str(self.version)

    def _keep(self) -> None:
        self.history.append(View(dict(self.slots), dict(self.claims)))
        owners = [record.claim for record in self.slots.values() if record.state is SlotState.LEASED]
        assert len(owners) == len(set(owners)), f"a claim with two slots: {owners}"


@dataclass
class Run:
    """One process that wants a slot for a claim."""

    api: Api
    ask: Ask
    uid: str
    seen: int = 0
    joined: str = ""
    record: SlotRecord | None = None
    requests: int = 1

    def catch_up(self, versions: int) -> None:
        """See more of what happened."""
        self.seen = min(self.seen + versions, self.api.version)

    def step(self) -> str:
        """Do the next thing; its name."""
        view = self.api.history[self.seen]
        action = next_action(view, self.ask, self.api.now)
        if isinstance(action, Found):
            self.record = action.record
        elif isinstance(action, Join):
            self._join(action)
        elif isinstance(action, Aim):
            self._try(lambda: self.api.put_claim(replace(action.claim, target=action.target, firm=True)))
        elif isinstance(action, Take):
            empty = action.record or SlotRecord("shop", "ai", action.slot, f"shop-dev-{action.slot}")
            record = leased_to(empty, action.claim, now=self.api.now, ttl=TTL)
            self._try(lambda: self.api.put_slot(record))
        elif isinstance(action, Leave):
            self.api.drop_claim(self.ask.claim, uid=action.claim.uid)
            self.seen = self.api.version
        return type(action).__name__

    def _join(self, action: Join) -> None:
        self.requests += 1
        try:
            self.api.create_claim(ClaimRecord(self.ask.claim, action.target, wanted=self.ask.wanted), self.uid)
            # As the watch brings our own claim, we have seen all that came before it.
            self.seen = self.api.version
        except Lost:
            self.catch_up(1)

    def _try(self, write: object) -> None:
        self.requests += 1
        try:
            write()  # type: ignore[operator]
            self.seen = self.api.version
        except Lost:
            self.catch_up(1)


@dataclass
class Cleaner:
    """One process that tears a slot down."""

    api: Api
    seen: SlotRecord
    stage: int = 0

    def step(self) -> bool:
        """Do the next thing; False when there is nothing left to do."""
        record = self.api.slots[self.seen.slot]
        if self.stage == 0:
            if record.epoch != self.seen.epoch or record.free:
                return False
            self.seen = self.api.put_slot(cleaning(record, "test"))
        elif self.stage == 1 and self.seen.claim:
            self.api.drop_claim(parse_key(self.seen.claim), uid=self.seen.claim_uid)
        elif self.stage == 2:
            if record.state is SlotState.CLEANING and record.epoch == self.seen.epoch:
                self.api.put_slot(freed(record, self.api.now))
            return False
        self.stage += 1
        return True
