"""The verdict on one object, with the pods that speak for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from codexctl_ci.readiness.budgets import Limits, Memory, settled_at, spent, uid_of, wakes_at
from codexctl_ci.readiness.fields import meta, number, status
from codexctl_ci.readiness.kinds import judge_object
from codexctl_ci.readiness.pods import Trouble, pods_of, troubles, unready_container
from codexctl_ci.readiness.verdict import State, Verdict, progressing
from codexctl_ci.stack.objects import Manifest, ref_of

SETTLING = "Settling"
_WITH_READY_PODS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod"})
WITH_PODS = _WITH_READY_PODS | {"Job"}
"""Kinds that pods speak for."""


@dataclass(frozen=True, slots=True)
class Related:
    """What surrounds an object: pods and ReplicaSets of its namespace, memories of pods by UID.

    ``pods_known``: pods are watched, so that their absence says something. ``ready_since`` is when the object's own
    status last became ready, None where it isn't.
    """

    pods: Sequence[Manifest] = ()
    replica_sets: Sequence[Manifest] = ()
    memories: Mapping[str, Memory] = field(default_factory=dict)
    waits_for_consumer: bool = False
    pods_known: bool = False
    ready_since: float | None = None


def judge(obj: Manifest, related: Related, now: float, limits: Limits | None = None) -> Verdict:
    """Ready, progressing, failed or terminating, and why. ``now`` is in monotonic seconds, as in ``memories``.

    The object's own status decides whether it is ready; its pods can only end the hope, or explain the delay.
    """
    verdict = judge_object(obj, waits_for_consumer=related.waits_for_consumer)
    limits = limits or Limits()
    if verdict.ready and related.pods_known and obj.get("kind") in _WITH_READY_PODS:
        until = _settles(obj, related, now, limits)
        return verdict if now >= until else progressing(SETTLING, "up, but only just")
    if verdict.ready or verdict.state is State.TERMINATING or obj.get("kind") not in WITH_PODS:
        return verdict
    if verdict.reason == "Observing":
        # Until its controller has seen the change, the pods are those of the old one.
        return verdict
    pods = sorted(pods_of(obj, related.pods, related.replica_sets), key=_created, reverse=True)
    if not verdict.fatal:
        for pod in pods:
            memory = related.memories.get(uid_of(pod))
            trouble = memory and spent(memory, pod, now, limits, crashes=obj.get("kind") != "Job")
            if trouble:
                return _explained(Verdict(State.FAILED, trouble.reason, _message(trouble)), pod, trouble)
    worst = next(((pod, found[0]) for pod in pods if (found := troubles(pod))), None)
    if worst is not None:
        pod, trouble = worst
        if not verdict.fatal:
            verdict = replace(verdict, reason=trouble.reason, message=_message(trouble))
        return _explained(verdict, pod, trouble)
    return _pointing(verdict, obj, pods)


def _settles(obj: Manifest, related: Related, now: float, limits: Limits) -> float:
    """When the readiness of ``obj`` will be trusted."""
    pods = [pod for pod in related.pods if not meta(pod).get("deletionTimestamp")]
    ready = [pod for pod in pods if judge_object({**pod, "apiVersion": "v1", "kind": "Pod"}).state is State.READY]
    times = [
        settled_at(memory, pod, limits) for pod in ready if (memory := related.memories.get(uid_of(pod))) is not None
    ]
    if len(ready) < _wanted(obj):
        # Its pods are seen by another watch: either that one is late, or they are ready no longer.
        times.append((now if related.ready_since is None else related.ready_since) + limits.settle)
    return max(times, default=now)


def _wanted(obj: Manifest) -> int:
    now = status(obj)
    return 1 if obj.get("kind") == "Pod" else number(now, "readyReplicas", number(now, "numberReady"))


def _created(pod: Manifest) -> str:
    # The newest try tells most.
    return str(meta(pod).get("creationTimestamp") or "")


def _message(trouble: Trouble) -> str:
    where = f"container {trouble.container}: " if trouble.container else ""
    return (where + trouble.message).strip().removesuffix(":")


def _explained(verdict: Verdict, pod: Manifest, trouble: Trouble) -> Verdict:
    return replace(
        verdict,
        pod=ref_of({**pod, "apiVersion": "v1", "kind": "Pod"}),
        container=trouble.container,
        crashed=trouble.restarts > 0 and not trouble.terminated,
    )


def _pointing(verdict: Verdict, obj: Manifest, pods: Iterable[Manifest]) -> Verdict:
    """Name a pod that isn't ready, whose log may tell what its status doesn't."""
    for pod in pods:
        full = {**pod, "apiVersion": "v1", "kind": "Pod"}
        if not judge_object(full).ready:
            return replace(verdict, pod=ref_of(full), container=unready_container(pod))
    return verdict


def asks_again_at(obj: Manifest, related: Related, now: float, limits: Limits | None = None) -> float | None:
    """When the verdict on ``obj`` may change although nothing in the cluster does, None for never."""
    limits = limits or Limits()
    if related.pods_known and judge_object(obj).ready and obj.get("kind") in _WITH_READY_PODS:
        until = _settles(obj, related, now, limits)
        return until if until > now else None
    times = [
        at
        for pod in pods_of(obj, related.pods, related.replica_sets)
        if (memory := related.memories.get(uid_of(pod))) and (at := wakes_at(memory, pod, now, limits)) is not None
    ]
    return min(times, default=None)
