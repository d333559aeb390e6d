"""Waiting on a real cluster: every way in which a workload comes up late or not at all.

All cases are applied at once and waited for side by side; the tests then look at what came out.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.readiness.budgets import Limits
from codexctl_ci.readiness.outcome import Failure, Snapshot, WaitResult
from codexctl_ci.readiness.verdict import State
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from tests.contract.kube.repetitions import KINDS, wrong_verdicts

pytestmark = pytest.mark.sandbox

IMAGE = "busybox:1.37.0"
SLEEP = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"
# Shorter than in use: what takes a minute there is told apart just as well in some seconds.
LIMITS = Limits(unschedulable=5.0)


def container(script: str = SLEEP, **more: Any) -> dict[str, Any]:
    return {"name": "app", "image": IMAGE, "command": ["sh", "-c", script], **more}


def deployment(name: str, *containers: dict[str, Any], spec: Any = None, replicas: int = 1, **pod: Any) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 1, **pod},
            },
            **(spec or {}),
        },
    }


def job(name: str, script: str, **spec: Any) -> Manifest:
    template = {"spec": {"restartPolicy": "Never", "containers": [container(script)]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 1, "template": template, **spec},
    }


def claim(name: str, storage_class: str) -> Manifest:
    spec = {
        "storageClassName": storage_class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Mi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


NEVER_READY: Any = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}
CRASH = "for n in $(seq 40); do echo line $n; done; exit 7"
THIRD = f'echo x >> /state/tries; [ "$(wc -l < /state/tries)" -ge 3 ] || exit 1; {SLEEP}'
MOUNTED: Any = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
STATE: Any = {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}


@dataclass(frozen=True)
class Case:
    """``manifests`` are applied, the last one is looked at. ``within`` bounds the seconds until the verdict."""

    manifests: tuple[Manifest, ...]
    state: State
    reason: str = ""
    timeout: float = 150
    within: float = 90
    timed_out: bool = False
    mentions: str = ""
    event: str = ""
    last_line: str = ""


CASES: dict[str, Case] = {
    "ready": Case((deployment("ready", container(), replicas=2),), State.READY, within=60),
    "starts on the third try": Case(
        (deployment("third", container(THIRD, **STATE), volumes=[{"name": "state", "emptyDir": {}}]),), State.READY
    ),
    "job that is done": Case((job("done", "echo ok"),), State.READY, "Complete", within=60),
    "claim for its first consumer": Case((claim("late", "first-consumer"),), State.READY, "WaitForFirstConsumer"),
    "claim that binds": Case((claim("bound", "standard"),), State.READY, within=60),
    "crash loop": Case(
        (deployment("crash", container(CRASH)),),
        State.FAILED,
        "CrashLoopBackOff",
        mentions="exit code 7",
        event="BackOff",
        last_line="line 40",
    ),
    "failing init container": Case(
        (deployment("init", container(), initContainers=[{**container("echo no schema; exit 3"), "name": "migrate"}]),),
        State.FAILED,
        "CrashLoopBackOff",
        mentions="container migrate",
        event="BackOff",
        last_line="no schema",
    ),
    "bad image name": Case(
        (deployment("badname", {"name": "app", "image": "No/Such:Name:1"}),),
        State.FAILED,
        "InvalidImageName",
        within=45,
        event="InspectFailed",
    ),
    "image not found": Case(
        (deployment("notfound", {"name": "app", "image": "10.245.0.1:5000/no-such-app:1"}),),
        State.FAILED,
        "ErrImagePull",
        mentions="not found",
        event="Failed",
    ),
    "failed job": Case(
        (job("failed", "echo boom; exit 5"),),
        State.FAILED,
        "BackoffLimitExceeded",
        event="BackoffLimitExceeded",
        last_line="boom",
    ),
    "exceeded progress deadline": Case(
        (deployment("deadline", container(**NEVER_READY), spec={"progressDeadlineSeconds": 8}),),
        State.FAILED,
        "ProgressDeadlineExceeded",
        event="Unhealthy",
    ),
    "failing readiness probe": Case(
        (deployment("probe", container("echo up; " + SLEEP, **NEVER_READY)),),
        State.PROGRESSING,
        "Unavailable",
        timeout=40,
        timed_out=True,
        event="Unhealthy",
        last_line="up",
    ),
    "unschedulable": Case(
        (deployment("nowhere", container(), nodeSelector={"no": "such"}),),
        State.FAILED,
        "Unschedulable",
        within=60,
        mentions="node",
        event="FailedScheduling",
    ),
    "unbound claim": Case(
        (
            claim("unbound", "no-such-class"),
            deployment(
                "unbound", container(), volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "unbound"}}]
            ),
        ),
        State.FAILED,
        "Unschedulable",
        within=60,
        mentions="PersistentVolumeClaim",
    ),
    "missing ConfigMap": Case(
        (deployment("noconfig", container(envFrom=[{"configMapRef": {"name": "no-such-map"}}])),),
        State.FAILED,
        "CreateContainerConfigError",
        mentions="no-such-map",
    ),
    "missing Secret": Case(
        (
            deployment(
                "nosecret",
                container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "a"}}}]),
            ),
        ),
        State.FAILED,
        "CreateContainerConfigError",
        mentions="no-such-secret",
    ),
    "missing ConfigMap as a volume": Case(
        (
            deployment(
                "novolume", container(**MOUNTED), volumes=[{"name": "v", "configMap": {"name": "no-such-volume"}}]
            ),
        ),
        State.PROGRESSING,
        timeout=30,
        timed_out=True,
        event="FailedMount",
    ),
    "quota": Case(
        (deployment("quota", container(resources={"requests": {"memory": "1Ti"}})),),
        State.PROGRESSING,
        "FailedCreate",
        timeout=30,
        timed_out=True,
        mentions="exceeded quota",
        event="FailedCreate",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How a case came out, and how many seconds after its apply."""

    result: WaitResult
    ref: Ref
    seconds: float

    @property
    def failure(self) -> Failure:
        return next(failure for failure in self.result.failures if failure.ref == self.ref)


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with a quota that only the quota's case runs into."""
    name = f"wait-{uuid.uuid4().hex[:8]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": name}}
    cluster.create(quota | {"spec": {"hard": {"requests.memory": "64Gi"}}})
    limits = {"limits": [{"type": "Container", "defaultRequest": {"memory": "1Mi"}}]}
    cluster.create(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": name}, "spec": limits}
    )
    yield name
    cluster.delete(Ref("v1", "Namespace", name))


def applied(cluster: Cluster, manifest: Manifest, namespace: str) -> Ref:
    return ref_of(cluster.apply({**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}))


@pytest.fixture(scope="module")
def outcomes(cluster: Cluster, place: str) -> dict[str, Outcome]:
    """All cases, waited for at the same time."""

    def run(case: Case) -> Outcome:
        begun = time.monotonic()
        refs = [applied(cluster, manifest, place) for manifest in case.manifests]
        result = wait_until_ready(cluster, refs, timeout=timedelta(seconds=case.timeout), limits=LIMITS)
        return Outcome(result, refs[-1], time.monotonic() - begun)

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(run, CASES.values()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_verdict_on_a_real_cluster(outcomes: dict[str, Outcome], name: str) -> None:
    case, outcome = CASES[name], outcomes[name]
    verdict = outcome.result.verdicts[outcome.ref]
    assert verdict.state is case.state, str(verdict)
    assert outcome.result.timed_out is case.timed_out
    if case.reason:
        assert verdict.reason == case.reason, str(verdict)
    if case.state is State.READY:
        assert outcome.result.ready
        return
    assert case.mentions in verdict.message
    assert outcome.seconds < (case.timeout + 6 if case.timed_out else case.within)
    reasons = [event.reason for event in outcome.failure.events]
    assert not case.event or case.event in reasons, reasons
    if case.last_line:
        assert outcome.failure.log and outcome.failure.log[-1] == case.last_line
        assert len(outcome.failure.log) <= 30


def test_rollout_is_not_ready_while_old_pods_are_left(cluster: Cluster, place: str) -> None:
    first = deployment("rolling", container(), replicas=2)
    ref = applied(cluster, first, place)
    assert wait_until_ready(cluster, [ref], timeout=timedelta(seconds=60)).ready
    seen: list[Snapshot] = []
    second = deployment("rolling", container(env=[{"name": "V", "value": "2"}]), replicas=2)
    applied(cluster, second, place)
    assert wait_until_ready(cluster, [ref], timeout=timedelta(seconds=90), on_progress=seen.append).ready
    status = (cluster.get(ref) or {})["status"]
    assert status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == 2
    assert [snapshot.verdicts[ref].ready for snapshot in seen].index(True) == len(seen) - 1


def test_repair_of_a_crashing_rollout_is_not_judged_by_its_old_pods(cluster: Cluster, place: str) -> None:
    ref = applied(cluster, deployment("repair", {"name": "app", "image": "No/Such:Name:1"}), place)
    assert not wait_until_ready(cluster, [ref], timeout=timedelta(seconds=60)).ready
    for _ in range(3):
        applied(cluster, deployment("repair", container(env=[{"name": "N", "value": uuid.uuid4().hex}])), place)
        assert wait_until_ready(cluster, [ref], timeout=timedelta(seconds=90)).ready


GATES = "gates.test.codexctl.io"


@pytest.fixture(scope="module")
def gates(cluster: Cluster) -> Iterator[str]:
    """A custom kind whose status anybody may write; its apiVersion."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": GATES},
        "spec": {
            "group": "test.codexctl.io",
            "names": {"kind": "Gate", "plural": "gates"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    ref = ref_of(cluster.apply(definition))
    assert wait_until_ready(cluster, [ref], timeout=timedelta(seconds=30)).ready
    cluster.forget_kinds()
    yield "test.codexctl.io/v1"
    cluster.delete(ref)


def test_return_follows_the_last_ready_object_closely(cluster: Cluster, place: str, gates: str) -> None:
    delays = []
    for number in range(7):
        closed = {"conditions": [{"type": "Ready", "status": "False", "reason": "Closed"}]}
        ref = applied(
            cluster, {"apiVersion": gates, "kind": "Gate", "metadata": {"name": f"g{number}"}, "status": closed}, place
        )
        opened: list[float] = []

        def opens(at: Ref = ref, note: list[float] = opened) -> None:
            note.append(time.monotonic())
            cluster.patch(at, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})

        timer = threading.Timer(0.3, opens)
        timer.start()
        assert wait_until_ready(cluster, [ref], timeout=timedelta(seconds=30)).ready
        delays.append(time.monotonic() - opened[0])
        timer.join()
    assert sorted(delays)[len(delays) // 2] <= 0.2, delays


def test_no_verdict_is_wrong_in_some_repetitions(cluster: Cluster, place: str) -> None:
    assert wrong_verdicts(cluster, place, count=2 * len(KINDS), at_once=len(KINDS)) == []
