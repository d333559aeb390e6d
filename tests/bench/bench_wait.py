"""Waiting: how long after the last object is ready, or a budget is spent, we say so. Against a bare watch beside it."""

from __future__ import annotations

import os
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.readiness.fields import items, mapping, number, status
from codexctl_ci.readiness.kinds import judge_object
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from sandbox.state import VARIABLE, read_state
from tests.bench.rows import Row
from tests.contract.kube.repetitions import FOUND, SLEEP, rollout

_TURNS = 7
_ROUND_TRIP = 0.005


def rows() -> Iterator[Row]:
    """All rows about waiting."""
    state = read_state(Path(os.environ[VARIABLE]))
    cluster = Cluster.open(load_connection({}, kubeconfig=str(state.kubeconfig)))
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        delays = [_after_ready(cluster, namespace) for _ in range(_TURNS)]
        yield Row("last object ready -> we return", statistics.median(delays), _ROUND_TRIP, 0.2, "s")
        yield Row("crash loop, budget spent -> we report", _after_crash(cluster, namespace), _ROUND_TRIP, 2, "s")
    finally:
        cluster.delete(Ref("v1", "Namespace", namespace))


def _after_ready(cluster: Cluster, namespace: str) -> float:
    """Seconds between the last Deployment's becoming ready, as a watch of the bench sees it, and our return."""
    script = f"sleep 1; touch /tmp/up; {SLEEP}"
    refs = [
        _applied(cluster, rollout(f"r{n}-{uuid.uuid4().hex[:6]}", script, readinessProbe=FOUND), namespace)
        for n in range(3)
    ]
    names = {ref.name for ref in refs}
    seen: dict[str, float] = {}

    def look(obj: Manifest) -> bool:
        name = obj["metadata"]["name"]
        if name not in names:
            return False
        if judge_object(obj).ready:
            seen.setdefault(name, time.monotonic())
        else:
            seen.pop(name, None)
        return len(seen) == len(refs)

    with _Witness(cluster, "apps/v1", "Deployment", namespace, look):
        result = wait_until_ready(cluster, refs, timeout=timedelta(seconds=120))
        returned = time.monotonic()
    if not result.ready:
        raise RuntimeError(f"the rollouts of the bench did not come up: {result.failures}")
    for ref in refs:
        cluster.delete(ref)
    return max(0.0, returned - max(seen.values()))


def _after_crash(cluster: Cluster, namespace: str) -> float:
    """Seconds between the third restart's end, as a watch of the bench sees it, and our report."""
    seen: list[float] = []

    def look(obj: Manifest) -> bool:
        for found in items(status(obj).get("containerStatuses")):
            now = mapping(found.get("state"))
            if number(found, "restartCount") >= 3 and (now.get("waiting") or now.get("terminated")):
                seen.append(time.monotonic())
        return bool(seen)

    ref = _applied(cluster, rollout("crash", "exit 1"), namespace)
    with _Witness(cluster, "v1", "Pod", namespace, look):
        result = wait_until_ready(cluster, [ref], timeout=timedelta(seconds=180))
        returned = time.monotonic()
    if result.verdicts[ref].reason != "CrashLoopBackOff":
        raise RuntimeError(f"the crash of the bench was seen as {result.verdicts[ref]}")
    return max(0.0, returned - seen[0])


class _Witness:
    """A watch of its own in a thread, until ``look`` has seen enough."""

    def __init__(
        self, cluster: Cluster, api_version: str, kind: str, namespace: str, look: Callable[[Manifest], bool]
    ) -> None:
        listing = cluster.list(api_version, kind, namespace)
        watching = cluster.watch(api_version, kind, namespace, since=listing.resource_version)

        def run() -> None:
            for obj in listing.items:
                look(obj)
            for change in watching:
                if look(change.object):
                    watching.close()

        self._watching = watching
        self._thread = threading.Thread(target=run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(2.0)
        self._watching.close()


def _applied(cluster: Cluster, manifest: Manifest, namespace: str) -> Ref:
    manifest["metadata"]["namespace"] = namespace
    return ref_of(cluster.apply(manifest))
