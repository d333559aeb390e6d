"""Slot records in the cluster: read, found, changed by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from codexctl_ci.errors import ApiError, CodexctlError, SlotMoved
from codexctl_ci.ports import ClusterApi, Watching
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import (
    API_VERSION,
    KIND,
    UnreadableRecord,
    claim_from_lease,
    claim_name,
    claim_to_lease,
    is_slot,
    lease_ref,
    micro_time,
    selector,
    slot_from_lease,
    slot_name,
    slot_to_lease,
    unreadable_slot,
)
from codexctl_ci.slots.queue import View, slot_of
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState, UnreadableSlot
from codexctl_ci.stack.objects import Manifest

_TRIES = 20


@dataclass(frozen=True)
class SlotStore:
    """The slots of one project's environment. ``namespace`` is where records live, not where slots are."""

    cluster: ClusterApi
    namespace: str
    project: str
    env: str

    def leases(self) -> tuple[list[Manifest], str]:
        """All of the project's records as they are, and the version from which a watch can go on."""
        listing = self.cluster.list(API_VERSION, KIND, self.namespace, labels=selector(self.project))
        return listing.items, listing.resource_version

    def view(self) -> View:
        """All records of this environment."""
        return self.view_of(self.leases()[0])

    def view_of(self, leases: Iterable[Manifest]) -> View:
        """The records of this environment among ``leases``, those of slots that can't be read apart."""
        slots: dict[int, SlotRecord] = {}
        unreadable: dict[int, UnreadableSlot] = {}
        claims: dict[str, ClaimRecord] = {}
        for lease in leases:
            if is_slot(lease):
                try:
                    record = slot_from_lease(lease)
                except UnreadableRecord as error:
                    found = unreadable_slot(lease, error)
                    if found.env == self.env:
                        unreadable[found.slot] = found
                    continue
                if record.env == self.env:
                    slots[record.slot] = record
            else:
                claim = claim_from_lease(lease)
                if claim.claim.env == self.env:
                    claims[claim.claim.key] = claim
        return View(slots, claims, unreadable=unreadable)

    def find(self, claim: Claim) -> SlotRecord | None:
        """The slot that ``claim`` has."""
        return slot_of(self.view(), claim)

    def read(self, slot: int) -> SlotRecord | None:
        """The slot's record, None where it never had one."""
        found = self.cluster.get(lease_ref(self.namespace, slot_name(self.project, self.env, slot)))
        return slot_from_lease(found) if found else None

    def put(self, record: SlotRecord) -> SlotRecord:
        """Write ``record`` where nobody else wrote since it was read; an ApiError with ``conflict`` says who lost."""
        lease = slot_to_lease(record, self.namespace)
        write = self.cluster.replace if record.resource_version else self.cluster.create
        return slot_from_lease(write(lease))

    def update(self, slot: int, change: Callable[[SlotRecord], SlotRecord], *, epoch: int = 0) -> SlotRecord:
        """Change the slot's record, whatever others change in it meanwhile; the record as it is then.

        With ``epoch``, only while the slot is leased at that very epoch: SlotMoved otherwise. ``change`` may be
        called more than once and may raise; where it gives its argument back nothing is written.
        """
        for _ in range(_TRIES):
            record = self.read(slot)
            if record is None:
                raise SlotMoved("the slot has no record any more", obj=self.describe(slot))
            check_epoch(record, epoch)
            changed = change(record)
            if changed == record:
                return record
            try:
                return self.put(changed)
            except ApiError as error:
                if not (error.conflict or error.status == 404):
                    raise
        raise CodexctlError(
            "the slot's record changes faster than it can be written", obj=self.describe(slot), hint="try again"
        )

    def watch_slot(self, record: SlotRecord, timeout: timedelta) -> Watching:
        """Changes of one slot's Lease after ``record`` was read."""
        name = slot_name(self.project, self.env, record.slot)
        return self.cluster.watch(
            API_VERSION,
            KIND,
            self.namespace,
            since=record.resource_version,
            fields=f"metadata.name={name}",
            timeout=timeout,
        )

    def describe(self, slot: int) -> str:
        """The slot as messages name it."""
        return f"slot {slot} of {self.project} ({self.env})"

    def create_claim(self, record: ClaimRecord) -> ClaimRecord:
        """Put the claim into the queue; an ApiError with ``conflict`` where it stands there already."""
        return claim_from_lease(self.cluster.create(claim_to_lease(record, self.project, self.namespace)))

    def put_claim(self, record: ClaimRecord) -> ClaimRecord:
        """Write the claim's record where nobody else wrote since it was read."""
        return claim_from_lease(self.cluster.replace(claim_to_lease(record, self.project, self.namespace)))

    def beat(self, claim: Claim) -> Manifest:
        """Say that the claim's run is alive; the claim's Lease then."""
        ref = lease_ref(self.namespace, claim_name(self.project, claim))
        return self.cluster.patch(ref, {"spec": {"renewTime": micro_time(self.cluster.now())}})

    def drop_claim(self, claim: Claim, *, uid: str = "", resource_version: str = "") -> bool:
        """Take the claim out of the queue. False where it is gone, or is another one by now."""
        ref = lease_ref(self.namespace, claim_name(self.project, claim))
        try:
            return self.cluster.delete(ref, uid=uid, resource_version=resource_version)
        except ApiError as error:
            if error.conflict:
                return False
            raise


def check_epoch(record: SlotRecord, epoch: int) -> None:
    """Raise SlotMoved where ``epoch`` is given and the slot is not leased at it."""
    if not epoch or (record.epoch == epoch and record.state is SlotState.LEASED):
        return
    owner = f"it belongs to {record.claim} since" if record.state is SlotState.LEASED else f"it is {record.state.value}"
    raise SlotMoved(
        "the slot has moved on, so this run must not touch it",
        obj=f"slot {record.slot} of {record.project} ({record.env})",
        reason=f"{owner} (epoch {record.epoch}, this run has {epoch})",
        hint="re-run all jobs of the workflow, not the failed ones alone: the first ones lease a slot anew",
    )
