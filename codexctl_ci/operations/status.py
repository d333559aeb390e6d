"""What of the stack is ready now, in one look."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from codexctl_ci.operations.surroundings import Surroundings
from codexctl_ci.operations.watching import Target, listed
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import items, mapping, meta, spec
from codexctl_ci.readiness.judge import WITH_PODS, judge
from codexctl_ci.readiness.kinds import built_in
from codexctl_ci.readiness.outcome import StatusRow
from codexctl_ci.readiness.verdict import State, Verdict
from codexctl_ci.stack.objects import Manifest, Ref

_SEVERAL = 16
_MISSING = Verdict(State.PROGRESSING, "Missing", "not on the cluster")


def read_status(cluster: ClusterApi, refs: Iterable[Ref]) -> list[StatusRow]:
    """A row for each of ``refs``, in their order. Changes nothing.

    Takes one list for each kind and namespace; what is in no namespace is asked for by name, as rights to it are given.
    """
    wanted, around = list(dict.fromkeys(refs)), Surroundings(cluster)
    targets = {Target(ref.api_version, ref.kind, ref.namespace) for ref in wanted if ref.namespace}
    for obj in map(cluster.get, (ref for ref in wanted if not ref.namespace)):
        if obj is not None:
            around.see(obj, 0.0, gone=False)
    for ref in wanted:
        if ref.namespace and ref.kind in WITH_PODS and built_in(ref.api_version):
            targets |= {Target("v1", "Pod", ref.namespace), Target("apps/v1", "ReplicaSet", ref.namespace)}
    if targets:
        with ThreadPoolExecutor(min(_SEVERAL, len(targets))) as pool:
            for listing in pool.map(lambda target: listed(cluster, target), sorted(targets)):
                for obj in listing.items:
                    around.see(obj, 0.0, gone=False)
    now = cluster.now()
    return [_row(ref, around, now) for ref in wanted]


def _row(ref: Ref, around: Surroundings, now: datetime) -> StatusRow:
    obj = around.find(ref)
    if obj is None:
        return StatusRow(ref, _MISSING)
    return StatusRow(ref, judge(obj, around.of(obj), 0.0), _age(obj, now), _images(obj))


def _age(obj: Manifest, now: datetime) -> timedelta | None:
    text = str(meta(obj).get("creationTimestamp") or "")
    try:
        return max(timedelta(), now - datetime.fromisoformat(text))
    except ValueError:
        return None


def _images(obj: Manifest) -> tuple[str, ...]:
    inner = spec(obj)
    inner = mapping(mapping(inner.get("jobTemplate")).get("spec")) or inner
    pod = mapping(mapping(inner.get("template")).get("spec")) or inner
    return tuple(dict.fromkeys(str(one["image"]) for one in items(pod.get("containers")) if one.get("image")))
