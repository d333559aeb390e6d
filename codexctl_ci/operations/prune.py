"""Removing what we applied before and no longer render: by UID, in the own namespace only, never data unasked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.apply_object import FIELD_MANAGER
from codexctl_ci.operations.inventory import Entry, Inventory, Key, held_elsewhere
from codexctl_ci.operations.parallel import each
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref
from codexctl_ci.stack.ownership import is_applied_by, is_made_with_kubectl

log = logging.getLogger("codexctl_ci.apply")


@dataclass(frozen=True)
class Pruned:
    """``deleted`` were there and are asked to go; ``kept`` were spared, each with the reason; ``gone`` are the keys
    that the inventory can forget."""

    deleted: tuple[Ref, ...] = ()
    kept: tuple[tuple[Ref, str], ...] = ()
    gone: tuple[Key, ...] = ()


def spared(ref: Ref, namespace: str, volumes: bool) -> str:
    """Why ``ref`` must not be deleted, empty where it may be."""
    if not ref.namespace:
        return "is not in a namespace: others may need it"
    if ref.namespace != namespace:
        return f"is outside {namespace}"
    if ref.kind == "PersistentVolumeClaim" and not volumes:
        return "holds data: --prune-volumes removes it"
    return ""


NOT_OURS = "was there before: not made by us"


def made_by_us(live: Manifest, entry: Entry | None) -> bool:
    """Whether we made the object, or the older tool's kubectl did: only such a one may be deleted."""
    if entry is not None and (entry.found or entry.uid == live["metadata"]["uid"]):
        return not entry.found
    return is_applied_by(live, FIELD_MANAGER) or is_made_with_kubectl(live)


def prune(
    cluster: ClusterApi, inventory: Inventory, entries: Iterable[Entry], *, applied: Collection[str], volumes: bool
) -> Pruned:
    """Delete the objects of ``entries`` of ``inventory`` that are still the very ones we applied. ``applied`` holds the
    UIDs of the objects just applied: an object that moved to a newer version of its API is never deleted. Nor is what
    another inventory of the namespace holds, but it is that one's alone from here on."""
    entries = list(entries)
    elsewhere = held_elsewhere(cluster, inventory) if entries else {}
    kept: list[tuple[Ref, str]] = []
    doomed: list[Entry] = []
    gone: list[Key] = []
    for entry in entries:
        reason = spared(entry.ref, inventory.namespace, volumes) or (NOT_OURS if entry.found else "")
        if entry.uid and entry.uid in applied:
            gone.append(entry.key)
        elif entry.key in elsewhere and not entry.found:
            kept.append((entry.ref, f"is in {elsewhere[entry.key]} too"))
            gone.append(entry.key)
        elif reason:
            kept.append((entry.ref, reason))
        else:
            doomed.append(entry)
    doomed.sort(key=lambda entry: (-entry.layer, entry.key))
    deleted = each(doomed, lambda entry: _delete(cluster, entry))
    for ref, reason in kept:
        log.info("not rendered any more, left alone: %s %s", ref, reason)
    return Pruned(
        tuple(entry.ref for entry, done in zip(doomed, deleted, strict=True) if done),
        tuple(kept),
        (*gone, *(entry.key for entry in doomed)),
    )


def _delete(cluster: ClusterApi, entry: Entry) -> bool:
    uid = entry.uid or uid_of_ours(cluster, entry)
    if not uid:
        return False
    try:
        done = cluster.delete(entry.ref, uid=uid)
    except ApiError as error:
        if error.status == 409:
            log.info("not rendered any more, but another object of that name now: %s", entry.ref)
            return False
        raise
    if done:
        log.info("%s deleted: it is no longer rendered", entry.ref)
    return done


def uid_of_ours(cluster: ClusterApi, entry: Entry) -> str:
    """Of an object that was about to be made when its run was killed: the UID, where it is of our making."""
    try:
        found = cluster.get(entry.ref)
    except ApiError as error:
        if error.passing:
            raise
        return ""
    if found is None or not is_applied_by(found, FIELD_MANAGER):
        return ""
    made = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    return str(found["metadata"]["uid"]) if made >= datetime.fromisoformat(entry.since) else ""
