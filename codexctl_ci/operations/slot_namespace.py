"""A slot's namespace: made with the slot's marks, told from all others by its UID, deleted by that alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.operations.namespace_remains import Holder, holders_in, what_holds
from codexctl_ci.operations.slot_access import access_objects
from codexctl_ci.operations.steady_clock import steady_seconds
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.claims import parse_key
from codexctl_ci.slots.leases import CLAIM, ENV, MANAGED_BY, PROJECT, SLOT, TOOL
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger(__name__)

EPOCH = "codexctl.io/epoch"


class ForeignNamespace(CodexctlError):
    """The slot's namespace exists and is not ours: it is neither used nor deleted."""


class StuckNamespace(CodexctlError):
    """The namespace was told to go and does not; ``reason`` names what holds it."""


def namespace_ref(name: str) -> Ref:
    return Ref("v1", "Namespace", name)


def manifest_of(record: SlotRecord) -> Manifest:
    """The slot's namespace as it is created."""
    labels = {MANAGED_BY: TOOL, PROJECT: record.project, ENV: record.env, SLOT: str(record.slot)}
    if record.claim:
        labels[CLAIM] = parse_key(record.claim).label
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": record.namespace, "labels": labels, "annotations": {EPOCH: str(record.epoch)}},
    }


def is_slots_own(namespace: Manifest, record: SlotRecord) -> bool:
    """Whether the namespace carries the marks of this project's slot."""
    labels = namespace["metadata"].get("labels") or {}
    return (labels.get(MANAGED_BY), labels.get(PROJECT), labels.get(ENV), labels.get(SLOT)) == (
        TOOL,
        record.project,
        record.env,
        str(record.slot),
    )


def ensure_namespace(
    cluster: ClusterApi, record: SlotRecord, *, role: Callable[[], str], patience: timedelta = timedelta(minutes=5)
) -> tuple[str, bool]:
    """The UID of the slot's namespace with its deployer account in it, and whether it was made now.

    A leftover of the slot's former owner goes away first. Raises ForeignNamespace where somebody else made it.
    """
    while True:
        found = cluster.get(namespace_ref(record.namespace)) if record.namespace_uid or record.adopted else None
        made = False
        if found is None:
            try:
                found, made = cluster.create(manifest_of(record)), True
            except ApiError as error:
                if not error.conflict:
                    raise
                found = cluster.get(namespace_ref(record.namespace))
                if found is None:
                    continue
        uid = str(found["metadata"]["uid"])
        if found["metadata"].get("deletionTimestamp"):
            await_gone(cluster, record.namespace, uid, patience)
            continue
        if uid != record.namespace_uid:
            if record.adopted and not is_slots_own(found, record):
                marks = manifest_of(record)["metadata"]
                cluster.patch(
                    namespace_ref(record.namespace),
                    {"metadata": {"labels": marks["labels"], "annotations": marks["annotations"]}},
                )
            elif not is_slots_own(found, record):
                raise ForeignNamespace(
                    "exists already and is not a slot's",
                    obj=f"Namespace/{record.namespace}",
                    hint="delete it, or give slots another pattern in namespace.patterns",
                )
            elif not record.adopted and (found["metadata"].get("annotations") or {}).get(EPOCH) != str(record.epoch):
                log.warning("%s is left from an earlier owner of the slot: deleting it", record.namespace)
                cluster.delete(namespace_ref(record.namespace), uid=uid)
                await_gone(cluster, record.namespace, uid, patience)
                continue
            _give_access(cluster, record, role())
        return uid, made


def _give_access(cluster: ClusterApi, record: SlotRecord, role: str) -> None:
    def create(manifest: Manifest) -> None:
        try:
            cluster.create(manifest)
        except ApiError as error:
            if not error.conflict:
                raise

    with ThreadPoolExecutor(2, "slot-access") as pool:
        list(pool.map(create, access_objects(record, role)))


def delete_namespace(
    cluster: ClusterApi,
    record: SlotRecord,
    *,
    patience: timedelta,
    inside: ClusterApi | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Delete the slot's namespace and wait until it is gone.

    ``inside`` may read in the namespace where ``cluster`` may not. Only a namespace with the UID that the record knows
    goes or, where it knows none, one with the slot's marks. Raises ForeignNamespace, or StuckNamespace with what holds
    on to it.
    """
    found = cluster.get(namespace_ref(record.namespace))
    if found is None:
        return
    uid = str(found["metadata"]["uid"])
    if uid != record.namespace_uid and not is_slots_own(found, record):
        raise ForeignNamespace(
            "is not a slot's, so it is not deleted",
            obj=f"Namespace/{record.namespace}",
            hint="delete it by hand if nobody needs it; then manage-env gc frees the slot",
        )
    check()
    holders: tuple[Holder, ...] = ()
    if not found["metadata"].get("deletionTimestamp"):
        # Once the namespace is going, the account that may look into it is gone.
        holders = holders_in(inside or cluster, record.namespace)
        try:
            cluster.delete(namespace_ref(record.namespace), uid=uid)
            log.info("Namespace/%s: deleting", record.namespace)
        except ApiError as error:
            if not error.conflict:
                raise
    await_gone(cluster, record.namespace, uid, patience, holders)


def await_gone(
    cluster: ClusterApi,
    name: str,
    uid: str,
    patience: timedelta,
    holders: tuple[Holder, ...] = (),
    clock: Callable[[], float] = steady_seconds,
) -> None:
    """Wait until the namespace with this UID is gone. Raises StuckNamespace when ``patience`` is over."""
    end = clock() + patience.total_seconds()
    while True:
        found = cluster.get(namespace_ref(name))
        if found is None or found["metadata"]["uid"] != uid:
            return
        left = end - clock()
        if left <= 0:
            raise StuckNamespace(
                "does not go away",
                obj=f"Namespace/{name}",
                reason=what_holds(found, holders_in(cluster, name) or holders),
                hint="remove what holds it (its controller may be gone); manage-env gc tries again",
            )
        watch = cluster.watch(
            "v1",
            "Namespace",
            since=found["metadata"]["resourceVersion"],
            fields=f"metadata.name={name}",
            timeout=timedelta(seconds=min(left, 30.0)),
        )
        try:
            for change in watch:
                if change.kind == "DELETED":
                    return
        finally:
            watch.close()
