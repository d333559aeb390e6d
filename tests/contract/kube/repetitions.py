"""The same rollouts again and again under load: what comes up must never fail, what doesn't must never be ready."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.readiness.verdict import State
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

IMAGE = "busybox:1.37.0"
SLEEP = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"
FOUND = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1}
NEVER = {"exec": {"command": ["false"]}, "periodSeconds": 1}


def rollout(name: str, script: str, replicas: int = 1, **container: Any) -> Manifest:
    """A Deployment of one container that runs ``script``."""
    app = {"name": "app", "image": IMAGE, "command": ["sh", "-c", script], **container}
    pod = {"containers": [app], "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _job(name: str, script: str) -> Manifest:
    app = {"name": "app", "image": IMAGE, "command": ["sh", "-c", script]}
    spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [app]}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


KINDS: tuple[tuple[str, State, float, Callable[[str], Manifest]], ...] = (
    ("up", State.READY, 120, lambda name: rollout(name, SLEEP, 2)),
    (
        "slow",
        State.READY,
        120,
        lambda name: rollout(name, f"sleep 2; touch /tmp/up; {SLEEP}", readinessProbe=FOUND),
    ),
    ("done", State.READY, 120, lambda name: _job(name, "true")),
    ("crash", State.FAILED, 180, lambda name: rollout(name, "sleep 0.2; exit 1")),
    ("lost", State.FAILED, 120, lambda name: _job(name, "exit 1")),
    ("never", State.PROGRESSING, 12, lambda name: rollout(name, SLEEP, readinessProbe=NEVER)),
)
"""Name, the right verdict, seconds to wait, and the object."""


def wrong_verdicts(cluster: Cluster, namespace: str, count: int, at_once: int) -> list[str]:
    """Roll out ``count`` objects, ``at_once`` side by side; a line for each verdict that was wrong."""

    def one(number: int) -> str:
        kind, wanted, seconds, make = KINDS[number % len(KINDS)]
        manifest = make(f"{kind}-{uuid.uuid4().hex[:8]}")
        manifest["metadata"]["namespace"] = namespace
        ref = ref_of(cluster.apply(manifest))
        try:
            verdict = wait_until_ready(cluster, [ref], timeout=timedelta(seconds=seconds)).verdicts[ref]
            return "" if verdict.state is wanted else f"{ref}: {verdict.state}: {verdict}"
        finally:
            cluster.delete(Ref(ref.api_version, ref.kind, ref.name, namespace))

    with ThreadPoolExecutor(at_once) as pool:
        return [line for line in pool.map(one, range(count)) if line]
