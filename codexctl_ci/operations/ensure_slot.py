"""A slot for a claim, with its namespace: leased or found, made or made anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError, SlotMoved
from codexctl_ci.operations.dead_cleanups import DeadCleanups
from codexctl_ci.operations.go_tool import GoTool, HeldByGoTool
from codexctl_ci.operations.lease_slot import LeaseRequest, lease_slot
from codexctl_ci.operations.slot_access import FALLBACK_ROLE, ROLE
from codexctl_ci.operations.slot_namespace import ForeignNamespace, ensure_namespace, namespace_ref
from codexctl_ci.operations.slot_store import SlotStore, check_epoch
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.records import Prepared, SlotRecord, SlotState
from codexctl_ci.stack.objects import Ref

log = logging.getLogger(__name__)

_UNUSABLE_LIMIT = 20


@dataclass(frozen=True, slots=True)
class EnsuredSlot:
    """The claim's slot. ``created``: its namespace is there for the first time. ``recreated``: it was there before,
    and had gone meanwhile."""

    record: SlotRecord
    created: bool
    recreated: bool


def ensure_slot(
    store: SlotStore,
    request: LeaseRequest,
    *,
    go: GoTool | None = None,
    epoch: int = 0,
    remove_rendered: Callable[[SlotRecord], None] = lambda record: None,
) -> EnsuredSlot:
    """Lease or find the slot and see to its namespace. Safe to repeat after a death at any point.

    ``epoch``: the slot must still be at it (SlotMoved). ``remove_rendered`` is for a repair whose clean-up died. Raises
    ConfigError where the claim has another slot than the one asked for, and what ``lease_slot`` raises.
    """
    go = go or GoTool(store)
    dead = DeadCleanups(store, go, request.holder, remove_rendered)
    for _ in range(_UNUSABLE_LIMIT):
        if epoch:
            _require_lease(store, request, epoch)
        record = lease_slot(store, request, outside=lambda: go.outside(request.ask.claim), dead=dead).record
        check_epoch(record, epoch)
        if request.ask.wanted and record.slot != request.ask.wanted:
            raise ConfigError(
                f"{request.ask.claim} has slot {record.slot}, not slot {request.ask.wanted}",
                hint=f"leave --slot out, or tear slot {record.slot} down first",
            )
        try:
            if not record.namespace_uid:
                record = go.show(record)
            return _with_namespace(store, record)
        except (ForeignNamespace, HeldByGoTool) as foreign:
            log.warning("slot %d cannot be used: %s", record.slot, foreign)
            _give_up(store, record, str(foreign).partition("\n")[0])
            if request.ask.wanted or epoch:
                raise
    raise CodexctlError("too many slots cannot be used", hint="manage-env list tells why")


def _require_lease(store: SlotStore, request: LeaseRequest, epoch: int) -> None:
    """A run that was given a slot may not lease another one in its place."""
    found = store.find(request.ask.claim)
    if found is None:
        ask = request.ask
        gone = SlotRecord(store.project, store.env, ask.wanted or 0, "", state=SlotState.FREE)
        check_epoch(gone, epoch)
    else:
        check_epoch(found, epoch)


def _with_namespace(store: SlotStore, record: SlotRecord) -> EnsuredSlot:
    made = False
    if record.keeps_namespace:
        found = store.cluster.get(namespace_ref(record.namespace))
        if found is None:
            raise CodexctlError(
                "is not there, so there is nothing to repair",
                obj=f"Namespace/{record.namespace}",
                hint="deploy ai-staging first",
            )
        uid = str(found["metadata"]["uid"])
    else:
        uid, made = ensure_namespace(store.cluster, record, role=lambda: _role(store.cluster))
    if uid == record.namespace_uid:
        return EnsuredSlot(record, created=False, recreated=False)
    first = not record.namespace_uid

    def note(known: SlotRecord) -> SlotRecord:
        return replace(known, namespace_uid=uid, prepared=known.prepared if first else Prepared())

    try:
        record = store.update(record.slot, note, epoch=record.epoch)
    except SlotMoved:
        if made:
            # We slept, and the slot went to somebody else: what we made a moment ago must not stand in its way.
            store.cluster.delete(namespace_ref(record.namespace), uid=uid)
        raise
    return EnsuredSlot(record, created=first and not record.adopted, recreated=made and not first)


def _role(cluster: ClusterApi) -> str:
    """The operator's role for deployers where it is installed, else the built-in one."""
    try:
        found = cluster.get(Ref("rbac.authorization.k8s.io/v1", "ClusterRole", ROLE))
    except ApiError as error:
        if error.status != 403:
            raise
        return ROLE
    return ROLE if found else FALLBACK_ROLE


def _give_up(store: SlotStore, record: SlotRecord, reason: str) -> None:
    """Leave a slot that can't be used to ``gc``, and the claim free for another one."""

    def dirty(known: SlotRecord) -> SlotRecord:
        return replace(known, state=SlotState.DIRTY, epoch=known.epoch + 1, reason=reason)

    store.update(record.slot, dirty, epoch=record.epoch)
