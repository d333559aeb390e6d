"""Which pods speak for an object, and what is wrong in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from codexctl_ci.readiness.fields import condition, items, mapping, meta, number, owned_by, status, updated_by_hand
from codexctl_ci.stack.objects import Manifest

_REVISION = "deployment.kubernetes.io/revision"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"

_PULL_WILL_NOT_WORK = (
    "not found",
    "notfound",
    "manifest unknown",
    "name unknown",
    "unauthorized",
    "authentication required",
    "authorization failed",
    "denied",
    "forbidden",
)


class Fault(Enum):
    """How long one waits depends on it."""

    HOPELESS = "hopeless"
    CONFIG = "config"
    PULL = "pull"
    CRASH = "crash"
    UNSCHEDULABLE = "unschedulable"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a container (or, where ``container`` is empty, with the pod). ``restarts`` counts so far."""

    fault: Fault
    reason: str
    message: str
    container: str = ""
    restarts: int = 0
    terminated: bool = False


def pods_of(obj: Manifest, pods: Iterable[Manifest], replica_sets: Iterable[Manifest]) -> list[Manifest]:
    """The pods whose state says something about ``obj`` as it should be now.

    Of a Deployment only those of the newest ReplicaSet, of a StatefulSet and DaemonSet those of the newest revision
    (but for ``OnDelete``: there older ones may stay); pods that are being deleted never count.
    """
    kind, uid = obj.get("kind"), str(meta(obj).get("uid") or "")
    alive = [pod for pod in pods if not meta(pod).get("deletionTimestamp")]
    if kind == "Pod":
        return [pod for pod in alive if meta(pod).get("uid") == uid]
    if not uid:
        return []
    if kind == "Deployment":
        newest = newest_replica_set(obj, replica_sets)
        return [pod for pod in alive if newest and owned_by(pod, newest)]
    own = [pod for pod in alive if owned_by(pod, uid)]
    if updated_by_hand(obj):
        return own
    if kind == "StatefulSet":
        revision = status(obj).get("updateRevision")
        return [pod for pod in own if not revision or _label(pod, "controller-revision-hash") in (None, revision)]
    if kind == "DaemonSet":
        generation = mapping(meta(obj).get("annotations")).get(_TEMPLATE_GENERATION)
        return [pod for pod in own if not generation or _label(pod, "pod-template-generation") in (None, generation)]
    return own


def _label(pod: Manifest, name: str) -> Any:
    return mapping(meta(pod).get("labels")).get(name)


def newest_replica_set(deployment: Manifest, replica_sets: Iterable[Manifest]) -> str:
    """UID of the ReplicaSet that the Deployment is rolling out, empty while it isn't there."""
    uid = str(meta(deployment).get("uid") or "")
    revision = mapping(meta(deployment).get("annotations")).get(_REVISION)
    for found in replica_sets:
        if owned_by(found, uid) and mapping(meta(found).get("annotations")).get(_REVISION) == revision:
            return str(meta(found).get("uid") or "") if revision else ""
    return ""


def troubles(pod: Manifest) -> list[Trouble]:
    """All that is wrong in a pod now, worst first."""
    found = [trouble for state in _containers(pod) if (trouble := _of_container(state)) is not None]
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        found.append(Trouble(Fault.UNSCHEDULABLE, "Unschedulable", str(scheduled.get("message") or "")))
    order = list(Fault)
    return sorted(found, key=lambda trouble: order.index(trouble.fault))


def _containers(pod: Manifest) -> list[Mapping[str, Any]]:
    now = status(pod)
    return [*items(now.get("initContainerStatuses")), *items(now.get("containerStatuses"))]


def _of_container(state: Mapping[str, Any]) -> Trouble | None:
    name, restarts = str(state.get("name") or ""), number(state, "restartCount")
    waiting = mapping(mapping(state.get("state")).get("waiting"))
    ended = mapping(mapping(state.get("state")).get("terminated"))
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in ("InvalidImageName", "ErrImageNeverPull"):
        return Trouble(Fault.HOPELESS, reason, message, name, restarts)
    if reason == "CreateContainerConfigError":
        return Trouble(Fault.CONFIG, reason, message, name, restarts)
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        return Trouble(Fault.PULL, reason, message, name, restarts)
    if reason == "CrashLoopBackOff":
        return Trouble(Fault.CRASH, reason, _end_of(state, message), name, restarts)
    if ended and ended.get("exitCode") != 0:
        # Between the crash and its back-off; after a restart it is the same loop.
        why = "CrashLoopBackOff" if restarts else str(ended.get("reason") or "Error")
        return Trouble(Fault.CRASH, why, _end_of(state, ""), name, restarts, True)
    return None


def _end_of(state: Mapping[str, Any], otherwise: str) -> str:
    """How the container last ended, in words."""
    for part in (mapping(state.get("state")), mapping(state.get("lastState"))):
        ended = mapping(part.get("terminated"))
        if ended:
            told = str(ended.get("message") or "").strip()
            why = str(ended.get("reason") or "Error")
            times = f", restarted {number(state, 'restartCount')} times" if number(state, "restartCount") else ""
            return f"ended with exit code {ended.get('exitCode')} ({why}){times}" + (f": {told}" if told else "")
    return otherwise


def pull_cannot_work(message: str) -> bool:
    """Whether the registry's answer names a cause that time doesn't heal."""
    low = message.lower()
    return any(text in low for text in _PULL_WILL_NOT_WORK)


def unready_container(pod: Manifest) -> str:
    """The first container that has run and isn't ready, empty where there is none."""
    for state in _containers(pod):
        started = mapping(state.get("state")).keys() & {"running", "terminated"}
        if started and not state.get("ready"):
            return str(state.get("name") or "")
    return ""
