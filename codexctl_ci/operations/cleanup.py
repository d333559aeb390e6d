"""Tearing a slot down, step by step, so that it can die anywhere and be taken up by the next one.

The record goes to ``cleaning`` first, which takes the slot from its owner; then the namespace goes, by its UID; then
the claim and the Go tool's view of it; last the record says ``free``. A step that can't be done leaves ``dirty``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from codexctl_ci.errors import ApiError, CodexctlError, SlotMoved
from codexctl_ci.operations.go_tool import GoTool
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_namespace import ForeignNamespace, StuckNamespace, delete_namespace
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.claims import Claim, parse_key
from codexctl_ci.slots.observation import Stillness
from codexctl_ci.slots.queue import View
from codexctl_ci.slots.records import SlotRecord, SlotState, cleaning, freed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CleanupRequest:
    """How to tear down. ``force`` gives up unpublished work; ``epoch``: only while the slot is still at it.

    ``remove_rendered`` removes what a repair rendered into staging's namespace. ``run`` is the workflow run.
    ``stillness`` is what the caller has seen of the slots' locks already.
    """

    reason: str
    force: bool = False
    epoch: int = 0
    run: str = ""
    patience: timedelta = timedelta(minutes=10)
    deletion: timedelta = timedelta(minutes=5)
    remove_rendered: Callable[[SlotRecord], None] = lambda record: None
    stillness: Stillness | None = None


@dataclass(frozen=True, slots=True)
class CleanedSlot:
    """What came of one slot: ``freed``, ``planned``, or with ``reason`` ``kept``, ``dirty`` or, at gc, ``failed``."""

    slot: int
    namespace: str
    outcome: str
    reason: str = ""


def clean_slots(
    store: SlotStore,
    records: Iterable[SlotRecord],
    request: CleanupRequest,
    *,
    go: GoTool | None = None,
    dry_run: bool = False,
    unsaved: Callable[[SlotRecord], str] = lambda record: "",
) -> list[CleanedSlot]:
    """Tear down each of ``records``; a slot that fails doesn't keep the others.

    ``unsaved`` says what unpublished work is in a slot's tree, empty where there is none.
    """
    outcomes = []
    for record in records:
        why = "" if request.force else kept_because(record, store, unsaved)
        if why:
            outcomes.append(CleanedSlot(record.slot, record.namespace, "kept", why))
        elif dry_run:
            outcomes.append(CleanedSlot(record.slot, record.namespace, "planned", request.reason))
        else:
            outcomes.append(_clean_one(store, record, request, go or GoTool(store)))
    return outcomes


def unreadable_slots(view: View, claim: Claim | None = None) -> list[CleanedSlot]:
    """Slots (that may be ``claim``'s, where it is given) of which nothing is known, so that nothing is done to them."""
    return [
        CleanedSlot(slot.slot, "", "failed", str(slot.error).replace("\n  next: ", "; "))
        for _, slot in sorted(view.unreadable.items())
        if claim is None or slot.may_be_of(claim)
    ]


def kept_because(record: SlotRecord, store: SlotStore, unsaved: Callable[[SlotRecord], str]) -> str:
    """Why a slot may not be torn down without force; empty where it may."""
    if record.state is not SlotState.LEASED:
        return ""
    if record.agent_running(store.cluster.now()):
        return "an agent works in it"
    if record.unpublished:
        return "an agent's work in it is not published"
    return unsaved(record)


def _clean_one(store: SlotStore, record: SlotRecord, request: CleanupRequest, go: GoTool) -> CleanedSlot:
    try:
        done = clean_slot(store, record, request, go=go)
    except SlotMoved as moved:
        log.warning("%s", moved)
        return CleanedSlot(record.slot, record.namespace, "kept", str(moved).partition("\n")[0])
    except (CodexctlError, ApiError) as error:
        log.error("slot %d: %s", record.slot, error)
        return CleanedSlot(record.slot, record.namespace, "dirty", str(error).partition("\n")[0])
    outcome = "freed" if done.free else done.state.value
    return CleanedSlot(record.slot, record.namespace, outcome, done.reason)


def clean_slot(store: SlotStore, record: SlotRecord, request: CleanupRequest, *, go: GoTool) -> SlotRecord:
    """Tear one slot down; its record then, free or dirty.

    Nothing happens where the slot changed hands since ``record`` was read (SlotMoved).
    """
    with OperationLock(
        store,
        record.slot,
        what="cleanup",
        run=request.run,
        patience=request.patience,
        beside_agent=request.force,
        stillness=request.stillness,
    ) as lock:
        return _clean_locked(store, record, request, go, lock)


def _clean_locked(
    store: SlotStore, seen: SlotRecord, request: CleanupRequest, go: GoTool, lock: OperationLock
) -> SlotRecord:
    def begin(known: SlotRecord) -> SlotRecord:
        if known.free:
            return known
        if known.epoch != seen.epoch or (request.epoch and known.epoch != request.epoch):
            raise SlotMoved(
                "changed hands meanwhile, so it is left alone",
                obj=store.describe(known.slot),
                reason=f"epoch {known.epoch}, not {request.epoch or seen.epoch}",
            )
        return cleaning(known, request.reason)

    inside = _inside(store.cluster, seen)
    record = lock.update(begin)
    if record.free:
        return record
    log.info("slot %d: cleaning (%s)", record.slot, request.reason)
    try:
        if record.keeps_namespace:
            request.remove_rendered(record)
        else:
            delete_namespace(store.cluster, record, patience=request.deletion, inside=inside, check=lock.check)
    except (ForeignNamespace, StuckNamespace, ApiError) as error:
        text = str(error).partition("\n")[0]
        log.error("slot %d stays dirty: %s", record.slot, text)
        return lock.update(lambda known: replace(_same(known, record), state=SlotState.DIRTY, reason=text))
    if record.claim:
        store.drop_claim(parse_key(record.claim), uid=record.claim_uid)
    go.remove(record)
    lock.check()
    now = store.cluster.now()
    done = lock.update(lambda known: freed(_same(known, record), now))
    return done


def _same(known: SlotRecord, cleaned: SlotRecord) -> SlotRecord:
    if known.epoch != cleaned.epoch or known.state is not SlotState.CLEANING:
        raise SlotMoved(
            "changed while it was cleaned", obj=f"slot {known.slot}", reason=f"it is {known.state.value} now"
        )
    return known


def _inside(cluster: ClusterApi, record: SlotRecord) -> ClusterApi:
    """An identity that may look into the slot's namespace, where there is one."""
    try:
        return deployer(cluster, record)
    except CodexctlError:
        return cluster
