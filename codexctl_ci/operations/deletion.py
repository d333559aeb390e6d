"""Objects that are going: waiting until they are gone, and what holds them."""

from __future__ import annotations

from datetime import timedelta

from codexctl_ci.errors import NotReady
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref

PATIENCE = timedelta(minutes=5)
"""How long an apply waits for an object of a name that it is about to give to a new one."""

_MEANING = {
    "foregroundDeletion": " (what it owns is not gone yet)",
    "kubernetes.io/pvc-protection": " (a pod still uses it)",
    "kubernetes.io/pv-protection": " (a claim still uses it)",
    "batch.kubernetes.io/job-tracking": " (the Job controller still counts it)",
    "service.kubernetes.io/load-balancer-cleanup": " (its load balancer is not gone yet)",
}


def terminating(live: Manifest) -> bool:
    """Whether the object was deleted and is only not gone yet."""
    return bool(live["metadata"].get("deletionTimestamp"))


def held_by(live: Manifest) -> str:
    """What keeps a deleted object there, in words."""
    if not terminating(live):
        return "was not deleted"
    names = live["metadata"].get("finalizers") or []
    parts = [f"{name}{_MEANING.get(name, '')}" for name in names]
    if live.get("kind") == "Namespace":
        rows = (live.get("status") or {}).get("conditions") or []
        parts += [str(row.get("message")) for row in rows if row.get("status") == "True" and row.get("message")]
    return "held by " + ", ".join(parts) if parts else "is ending, held by nothing that it says"


def wait_until_gone(cluster: ClusterApi, ref: Ref, uid: str, timeout: timedelta = PATIENCE) -> None:
    """Wait until the object with ``uid`` is gone. Raises NotReady that says what holds it when time is over."""
    listing = cluster.list(ref.api_version, ref.kind, ref.namespace, fields=f"metadata.name={ref.name}")
    current = next((item for item in listing.items if item["metadata"]["uid"] == uid), None)
    if current is None:
        return
    watch = cluster.watch(
        ref.api_version,
        ref.kind,
        ref.namespace,
        since=listing.resource_version,
        fields=f"metadata.name={ref.name}",
        timeout=timeout,
        known=listing.items,
    )
    for change in watch:
        if change.object["metadata"].get("uid") != uid:
            continue
        if change.kind == "DELETED":
            watch.close()
            return
        current = change.object
    raise NotReady(
        "is being deleted, and not gone in time",
        obj=str(ref),
        reason=held_by({"kind": ref.kind} | current),
        hint="see who owns what holds it; then run again",
    )
