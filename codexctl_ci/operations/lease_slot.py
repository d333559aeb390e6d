"""Getting a slot for a claim: watch the records, do what the queue says, until the claim has one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import ApiError, NoFreeSlot
from codexctl_ci.operations.dead_cleanups import DeadCleanups, beating
from codexctl_ci.operations.go_tool import Outside
from codexctl_ci.operations.lease_feed import LeaseFeed
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.operations.steady_clock import steady_seconds
from codexctl_ci.slots.leases import claim_name, claim_to_lease, slot_name
from codexctl_ci.slots.observation import Stillness
from codexctl_ci.slots.queue import Aim, Ask, Found, Join, Leave, Take, View, Wait, next_action, waiting
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, leased_to, renewed_by
from codexctl_ci.slots.table import holders

log = logging.getLogger(__name__)

HEARTBEAT = timedelta(seconds=15)
STALE = timedelta(seconds=60)
REPORT = timedelta(seconds=30)
_ECHO_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Who wants a slot, for how long, and how long the run will wait for one."""

    ask: Ask
    namespace_of: Callable[[int], str]
    holder: str = ""
    link: str = ""
    pr: int = 0
    ttl: timedelta = timedelta(hours=24)
    patience: timedelta = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Leased:
    """The claim's slot. ``fresh``: it got it just now."""

    record: SlotRecord
    fresh: bool


def lease_slot(
    store: SlotStore,
    request: LeaseRequest,
    *,
    outside: Callable[[], Outside] = Outside,
    dead: DeadCleanups | None = None,
    clock: Callable[[], float] = steady_seconds,
) -> Leased:
    """The slot of the request's claim: the one it has, renewed, or one leased now, in the order claims came.

    ``outside`` tells what is held outside of our records; it is asked only for a claim without a slot. While it waits
    it goes on with ``dead`` clean-ups. Raises NoFreeSlot, with who holds what, when ``patience`` is over; then, and on
    an interrupt, the place in the queue is given back.
    """
    feed = LeaseFeed(store.cluster, store.namespace, store.project)
    run = _Run(store, request, feed, outside, dead, clock)
    try:
        return run.loop()
    except BaseException:
        run.leave()
        raise
    finally:
        feed.close()


class _Run:
    def __init__(
        self,
        store: SlotStore,
        request: LeaseRequest,
        feed: LeaseFeed,
        outside: Callable[[], Outside],
        dead: DeadCleanups | None,
        clock: Callable[[], float],
    ) -> None:
        self.store, self.request, self.feed, self.dead, self.clock = store, request, feed, dead, clock
        self.ask, self.claim = request.ask, request.ask.claim
        self.name = claim_name(store.project, self.claim)
        self.look_outside, self.outside = outside, Outside()
        self.looked_outside = False
        self.began = clock()
        self.next_beat = self.began + HEARTBEAT.total_seconds()
        self.next_report = self.began + 1.0
        self.stillness = Stillness()
        self.own_uid = ""
        self.took = 0

    def loop(self) -> Leased:
        while True:
            view = self._view()
            action = next_action(view, self.ask, self.store.cluster.now())
            if isinstance(action, Found):
                return self._found(action.record)
            if not self.looked_outside:
                self._look_outside()
                continue
            if isinstance(action, Join):
                self._join(action.target)
            elif isinstance(action, Aim):
                self._aim(action)
            elif isinstance(action, Take):
                leased = self._take(action)
                if leased is not None:
                    return leased
            elif isinstance(action, Leave):
                self.store.drop_claim(self.claim, uid=action.claim.uid)
                self.feed.drop(self.name)
            else:
                self._wait(view, action)

    def leave(self) -> None:
        """Give the place in the queue back, if it is ours and not used up."""
        if not self.own_uid or self.took:
            return
        try:
            self.store.drop_claim(self.claim, uid=self.own_uid)
        except ApiError as error:
            log.warning("could not leave the queue, the place runs out in %s: %s", format_duration(STALE), error)

    def _view(self) -> View:
        return replace(self.store.view_of(self.feed.objects.values()), taken=self.outside.taken)

    def _look_outside(self) -> None:
        self.outside, self.looked_outside = self.look_outside(), True
        own, ask = self.outside.own, self.request.ask
        if own and not ask.wanted:
            # What the claim has already it keeps, also where the limit has become smaller since.
            self.ask = replace(ask, wanted=own, limit=ask.limit and max(ask.limit, own))

    def _found(self, record: SlotRecord) -> Leased:
        request = self.request

        def renew(known: SlotRecord) -> SlotRecord:
            linked = replace(known, pr=known.pr or request.pr)
            now = self.store.cluster.now()
            return renewed_by(linked, holder=request.holder, link=request.link, now=now, ttl=request.ttl)

        try:
            return Leased(self.store.put(renew(record)), fresh=False)
        except ApiError as error:
            if not (error.conflict or error.status == 404):
                raise
        return Leased(self.store.update(record.slot, renew, epoch=record.epoch), fresh=False)

    def _join(self, target: int) -> None:
        request = self.request
        record = ClaimRecord(
            self.claim,
            target=target,
            wanted=self.ask.wanted,
            holder=request.holder,
            link=request.link,
            renewed=self.store.cluster.now(),
        )
        uid = ""
        try:
            uid = self.own_uid = self.store.create_claim(record).uid
        except ApiError as error:
            if not error.conflict:
                raise
        # What came before us is known for sure once our own claim comes back to us.
        self._await(self.name, lambda: self._shows(self.name, uid))

    def _shows(self, name: str, uid: str) -> bool:
        known = self.feed.objects.get(name)
        return known is not None and uid in ("", known["metadata"]["uid"])

    def _aim(self, action: Aim) -> None:
        changed = replace(action.claim, target=action.target, firm=True, renewed=self.store.cluster.now())
        try:
            written = self.store.put_claim(changed)
        except ApiError as error:
            self._lost(error, self.name, action.claim.resource_version)
            return
        lease = claim_to_lease(written, self.store.project, self.store.namespace)
        lease["metadata"]["creationTimestamp"] = _created(self.feed, self.name)
        self.feed.set(lease)

    def _take(self, action: Take) -> Leased | None:
        empty = action.record or SlotRecord(
            self.store.project, self.store.env, action.slot, self.request.namespace_of(action.slot)
        )
        record = leased_to(
            replace(empty, namespace=self.request.namespace_of(action.slot)),
            action.claim,
            now=self.store.cluster.now(),
            ttl=self.request.ttl,
            pr=self.request.pr,
        )
        mine = replace(record, holder=self.request.holder, link=self.request.link)
        try:
            written = self.store.put(mine)
        except ApiError as error:
            name = slot_name(self.store.project, self.store.env, action.slot)
            self._lost(error, name, empty.resource_version)
            return None
        self.took = action.slot
        log.debug("slot %d leased to %s (epoch %d)", action.slot, self.claim, written.epoch)
        return Leased(written, fresh=True)

    def _lost(self, error: ApiError, name: str, version: str) -> None:
        """After a lost compare-and-swap: go on once we have seen what the other one wrote."""
        if not (error.conflict or error.status == 404):
            raise error

        def moved() -> bool:
            known = self.feed.objects.get(name)
            return (known["metadata"]["resourceVersion"] if known else "") != version

        self._await(name, moved)

    def _await(self, name: str, done: Callable[[], bool]) -> None:
        end = self.clock() + _ECHO_SECONDS
        while not done():
            left = end - self.clock()
            if left <= 0:
                log.debug("no news of %s for %.0f s: reading all records again", name, _ECHO_SECONDS)
                self.feed.relist()
                return
            self.feed.take(left)

    def _wait(self, view: View, action: Wait) -> None:
        at = self.clock()
        deadline = self.began + self.request.patience.total_seconds()
        if at >= deadline:
            raise NoFreeSlot(
                f"no slot became free for {self.claim} within {format_duration(self.request.patience)}",
                reason="\n" + holders(view, self.request.ask.limit, self.store.cluster.now()),
                hint="close issues that are done, raise maxSlots or CODEXCTL_DEV_SLOTS_MAX, or run manage-env gc",
            )
        if at >= self.next_beat:
            self._beat()
            at = self.clock()
        if at >= self.next_report:
            self._report(view, action)
        self._bury_the_dead(view, at)
        unfinished = self.dead.find(view, at) if self.dead else None
        if self.dead and unfinished:
            with beating(self.store, self.claim, HEARTBEAT):
                self.dead.take_up(unfinished, timedelta(seconds=deadline - at))
            at = self.clock()
        wake = min(deadline, self.next_beat, self.next_report)
        if action.until is not None:
            wake = min(wake, at + (action.until - self.store.cluster.now()).total_seconds())
        self.feed.take(max(0.01, wake - at))

    def _beat(self) -> None:
        self.next_beat = self.clock() + HEARTBEAT.total_seconds()
        try:
            self.feed.set(self.store.beat(self.claim))
        except ApiError as error:
            if error.status != 404:
                raise
            self.feed.drop(self.name)

    def _report(self, view: View, action: Wait) -> None:
        self.next_report = self.clock() + REPORT.total_seconds()
        waited = format_duration(timedelta(seconds=self.clock() - self.began))
        now = self.store.cluster.now()
        log.info(
            "%s waits for a slot since %s, %d before it:\n%s",
            self.claim,
            waited,
            action.ahead,
            holders(view, self.request.ask.limit, now),
        )
        if self.outside.taken:
            self._look_outside()

    def _bury_the_dead(self, view: View, at: float) -> None:
        """Drop claims whose runs stopped renewing, if the server, too, saw them last as we did."""
        for claim in waiting(view):
            key = claim.claim.key
            self.stillness.observe(key, claim.resource_version, at)
            if claim.claim != self.claim and self.stillness.still_for(key, at) >= STALE:
                self.stillness.forget(key)
                if self.store.drop_claim(claim.claim, uid=claim.uid, resource_version=claim.resource_version):
                    log.info("%s no longer waits: its run %s is gone", claim.claim, claim.holder)
                    self.feed.drop(claim_name(self.store.project, claim.claim))


def _created(feed: LeaseFeed, name: str) -> str | None:
    known = feed.objects.get(name)
    return known["metadata"].get("creationTimestamp") if known else None
