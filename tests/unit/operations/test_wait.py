"""Waiting on a cluster whose controllers are the test."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.wait import not_ready, wait_until_ready
from codexctl_ci.operations.watching import Retries
from codexctl_ci.readiness import verdict
from codexctl_ci.readiness.budgets import Limits
from codexctl_ci.readiness.outcome import Snapshot, WaitResult, headline
from codexctl_ci.readiness.verdict import Verdict
from codexctl_ci.reporting.wait_report import report_lines
from codexctl_ci.stack.objects import Manifest, Ref
from tests.support.memory_cluster import MemoryCluster

SOON = timedelta(seconds=20)
QUICK = Retries(2, timedelta(milliseconds=1))
BRIEF = Limits(settle=0.05)
API = Ref("apps/v1", "Deployment", "api", "ns")
REVISION = {"deployment.kubernetes.io/revision": "1"}


def deployment(name: str = "api", ready: bool = False, **more: Any) -> Manifest:
    done = int(ready)
    counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": done, "readyReplicas": done}
    conditions = [{"type": "Available", "status": "True" if ready else "False", "reason": "MinimumReplicasUnavailable"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "generation": 1, "annotations": REVISION, **more},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, **counts, "conditions": conditions},
    }


def replica_set() -> Manifest:
    meta = {"name": "api-1", "namespace": "ns", "uid": "rs", "annotations": REVISION}
    owner = {"ownerReferences": [{"uid": "api", "controller": True}]}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta | owner}


def pod(reason: str, restarts: int = 0) -> Manifest:
    state = {"waiting": {"reason": reason, "message": "because"}}
    last = {"terminated": {"exitCode": 7, "reason": "Error"}} if restarts else {}
    owner = {"ownerReferences": [{"uid": "rs", "controller": True}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "api-1-x", "namespace": "ns", "uid": "pod", **owner},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "app", "restartCount": restarts, "state": state, "lastState": last}],
        },
    }


def event(reason: str, about: str, uid: str, time: str) -> Manifest:
    kind = "Pod" if about.endswith("-x") else "Deployment"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"e-{reason}", "namespace": "ns"},
        "involvedObject": {"kind": kind, "name": about, "uid": uid},
        "type": "Warning",
        "reason": reason,
        "message": f"{reason} happened",
        "lastTimestamp": time,
        "count": 4,
    }


def while_waiting(cluster: MemoryCluster, then: Callable[[], object], **options: Any) -> WaitResult:
    """Wait for the Deployment, and run ``then`` as soon as somebody watches."""

    def act() -> None:
        cluster.watching.wait(10)
        then()

    actor = threading.Thread(target=act)
    actor.start()
    options = {"timeout": SOON, "retries": QUICK, "limits": BRIEF, **options}
    result = wait_until_ready(cluster, options.pop("refs", [API]), **options)
    actor.join()
    return result


def running(started: str = "2025-12-31T00:00:00Z", restarts: int = 0) -> Manifest:
    state = {"name": "app", "restartCount": restarts, "ready": True, "state": {"running": {"startedAt": started}}}
    found = pod("x") | {"spec": {"containers": [{"name": "app"}]}}
    ready = [{"type": "Ready", "status": "True"}]
    return found | {"status": {"phase": "Running", "containerStatuses": [state], "conditions": ready}}


def test_what_is_ready_already_costs_no_watch_and_no_time() -> None:
    cluster = MemoryCluster(deployment(ready=True), replica_set(), running())
    result = wait_until_ready(cluster, [API], timeout=SOON)
    assert result.ready and result.elapsed < timedelta(seconds=1)
    assert sorted(cluster.calls) == [
        ("list", "Deployment ns metadata.name=api"),
        ("list", "Pod ns"),
        ("list", "ReplicaSet ns"),
    ]


@pytest.mark.parametrize("restarts", [0, 2])
def test_container_that_has_just_started_is_not_trusted_yet(restarts: int) -> None:
    just_now = running("2026-01-01T00:00:00Z", restarts)
    cluster = MemoryCluster(deployment(ready=True), replica_set(), just_now)
    seen: list[Snapshot] = []

    def crash() -> None:
        cluster.put(pod("CrashLoopBackOff", restarts + 3))
        cluster.put(deployment())

    limits = Limits(settle=20 if restarts == 0 else 0.01, settle_again=20)
    result = while_waiting(cluster, crash, limits=limits, on_progress=seen.append)
    assert seen[0].verdicts[API].reason == "Settling"
    assert result.failures[0].verdict.reason == "CrashLoopBackOff"


def test_container_with_a_probe_is_trusted_at_once() -> None:
    probed = running("2026-01-01T00:00:00Z") | {"spec": {"containers": [{"name": "app", "readinessProbe": {}}]}}
    probed["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 80}}
    cluster = MemoryCluster(deployment(ready=True), replica_set(), probed)
    result = wait_until_ready(cluster, [API], timeout=SOON, limits=Limits(settle=15))
    assert result.ready and result.elapsed < timedelta(seconds=1)


def test_kinds_that_are_settled_at_once_cost_nothing() -> None:
    cluster = MemoryCluster()
    result = wait_until_ready(cluster, [Ref("v1", "ConfigMap", "c", "ns")], timeout=SOON)
    assert result.ready and not cluster.calls


def test_wait_ends_with_the_last_object_that_becomes_ready() -> None:
    cluster = MemoryCluster(deployment(), deployment("db", ready=True))
    assert while_waiting(cluster, lambda: cluster.put(deployment(ready=True))).ready


def test_object_that_vanishes_is_a_failure_and_says_so() -> None:
    cluster = MemoryCluster(deployment(), deployment("db", ready=True))
    result = while_waiting(cluster, lambda: cluster.remove(API))
    assert not result.ready and not result.timed_out and result.verdicts[API].reason == "Gone"
    assert "deleted meanwhile" in str(not_ready(result)) and "apply again" in str(not_ready(result))
    assert not wait_until_ready(cluster, [API], timeout=SOON).ready


def test_object_that_a_hook_deleted_is_settled() -> None:
    def absent(ref: Ref) -> Verdict:
        return verdict.ready("Gone", "by a hook")

    assert wait_until_ready(MemoryCluster(), [API], timeout=SOON, absent=absent).ready
    going = MemoryCluster(deployment(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert while_waiting(going, lambda: going.remove(API), absent=absent).ready
    there = MemoryCluster(deployment())
    assert not while_waiting(there, lambda: there.remove(API), absent=absent).ready


@pytest.mark.parametrize(("condition", "good"), [("Complete", True), ("Failed", False), ("", False)])
def test_job_that_is_collected_counts_by_how_it_ended(condition: str, good: bool) -> None:
    job = Ref("batch/v1", "Job", "migrate", "ns")
    meta: dict[str, Any] = {"name": "migrate", "namespace": "ns", "uid": "job"}
    made: Manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {}, "status": {}}
    ended = {"conditions": [{"type": condition, "status": "True"}]}
    cluster = MemoryCluster(made, deployment())

    def collect() -> None:
        cluster.put(made | {"metadata": meta | {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": ended})
        cluster.remove(job)
        cluster.put(deployment(ready=True))

    result = while_waiting(cluster, collect, refs=[job, API])
    assert result.ready is good
    assert result.verdicts[job].reason == (condition or "Gone")


def test_fatal_pod_ends_the_wait_with_events_and_the_log_of_the_crash() -> None:
    cluster = MemoryCluster(
        deployment(),
        replica_set(),
        pod("ContainerCreating"),
        event("BackOff", "api-1-x", "pod", "2026-01-01T00:00:02Z"),
        event("Scaled", "api", "api", "2026-01-01T00:00:01Z"),
        event("Other", "else", "else", "2026-01-01T00:00:03Z"),
    )
    cluster.log_texts[("api-1-x", "app", True)] = "\n".join(f"line {n}" for n in range(40))

    def crash() -> None:
        for restarts in (0, 1, 3):
            cluster.put(pod("CrashLoopBackOff", restarts))

    result = while_waiting(cluster, crash)
    (failure,) = result.failures
    assert (failure.verdict.reason, failure.ref, result.timed_out) == ("CrashLoopBackOff", API, False)
    assert [line.reason for line in failure.events] == ["Scaled", "BackOff"]
    assert failure.events[1].count == 4 and failure.events[1].about == "Pod/api-1-x"
    assert failure.log == tuple(f"line {n}" for n in range(10, 40))
    assert "previous" in failure.log_of
    text = str(not_ready(result))
    assert "Deployment/api in ns" in text and "exit code 7" in text and not_ready(result).exit_code == 5


def test_all_that_is_not_ready_is_told_with_one_count_and_what_failed_first() -> None:
    def of(name: str, reason: str, restarts: int) -> list[Manifest]:
        made, above = pod(reason, restarts), replica_set()
        above["metadata"] |= {
            "name": f"{name}-1",
            "uid": f"rs-{name}",
            "ownerReferences": [{"uid": name, "controller": True}],
        }
        owner = [{"uid": f"rs-{name}", "controller": True}]
        made["metadata"] |= {"name": f"{name}-1-x", "uid": f"pod-{name}", "ownerReferences": owner}
        return [deployment(name), above, made]

    names = ["api", "early", "good"]
    cluster = MemoryCluster(
        *of("early", "CrashLoopBackOff", 1), *of("api", "InvalidImageName", 0), deployment("good", True)
    )
    cluster.log_texts[("early-1-x", "app", True)] = "no database"
    refs = [Ref("apps/v1", "Deployment", name, "ns") for name in names[::-1]]
    result = wait_until_ready(cluster, refs, timeout=SOON, limits=BRIEF)
    assert [failure.ref.name for failure in result.failures] == ["api", "early"]
    assert result.failures[1].log == ("no database",)
    error = not_ready(result)
    head = headline(result)
    assert head.startswith("2 of 3 objects are not ready after ") and "(1 failed for good)" in head
    assert head.endswith("waiting longer cannot help") and error.what == head == report_lines(result)[0]
    assert "Deployment/early in ns: CrashLoopBackOff" in error.reason and "--wait-timeout" not in error.hint
    assert "Deployment/early in ns" in report_lines(result)


def test_time_over_is_not_ready_and_says_what_was_missing() -> None:
    cluster = MemoryCluster(deployment(), replica_set(), pod("ContainerCreating"))
    result = wait_until_ready(cluster, [API], timeout=timedelta(milliseconds=80))
    assert result.timed_out and not result.ready
    assert result.failures[0].verdict.reason == "Unavailable" and "--wait-timeout" in not_ready(result).hint


def test_budget_of_time_is_noticed_without_any_event() -> None:
    waiting = pod("CreateContainerConfigError")
    cluster = MemoryCluster(deployment(), replica_set(), waiting)
    result = wait_until_ready(cluster, [API], timeout=SOON, limits=Limits(config=0.05))
    assert result.failures[0].verdict.reason == "CreateContainerConfigError" and not result.timed_out


@pytest.mark.parametrize("step", [0.02, 0.03, 0.04, 0.05, 0.07, 0.09])
def test_budget_of_time_that_runs_out_while_we_judge_is_noticed(step: float) -> None:
    ticks = itertools.count()
    cluster = MemoryCluster(deployment(), replica_set(), pod("CreateContainerConfigError"))
    limits, clock = Limits(config=0.3), lambda: next(ticks) * step
    result = wait_until_ready(cluster, [API], timeout=timedelta(seconds=3), limits=limits, clock=clock)
    assert not result.timed_out


def test_budget_of_time_is_noticed_while_others_keep_us_busy() -> None:
    cluster = MemoryCluster(deployment(), replica_set(), pod("CreateContainerConfigError"), deployment("other"))
    over = threading.Event()

    def chatter() -> None:
        number = 0
        while not over.is_set():
            number += 1
            cluster.put(deployment("other", labels={"n": str(number)}))

    noise = threading.Thread(target=chatter)
    noise.start()
    refs = [API, Ref("apps/v1", "Deployment", "other", "ns")]
    result = wait_until_ready(cluster, refs, timeout=SOON, limits=Limits(config=0.1))
    over.set()
    noise.join()
    assert result.verdicts[API].reason == "CreateContainerConfigError" and not result.timed_out


def test_broken_watch_is_opened_again() -> None:
    cluster = MemoryCluster(deployment())

    def break_and_heal() -> None:
        cluster.break_watches(ApiError("watch", status=500))
        cluster.put(deployment(ready=True))

    assert while_waiting(cluster, break_and_heal).ready


def test_faults_beyond_the_retries_are_raised() -> None:
    cluster = MemoryCluster(deployment())
    cluster.faults[("list", "Deployment")] = [ApiError("list", status=503) for _ in range(3)]
    with pytest.raises(ApiError):
        wait_until_ready(cluster, [API], timeout=SOON, retries=QUICK)
    cluster.faults[("list", "Deployment")] = [ApiError("list", status=503) for _ in range(2)]
    cluster.put(deployment(ready=True))
    assert wait_until_ready(cluster, [API], timeout=SOON, retries=QUICK, limits=BRIEF).ready


def test_refused_watch_is_raised_at_once() -> None:
    cluster = MemoryCluster(deployment())
    cluster.faults[("watch", "Pod")] = [ApiError("watch", status=403, kind="Forbidden")]
    with pytest.raises(ApiError) as caught:
        wait_until_ready(cluster, [API], timeout=SOON, retries=QUICK)
    assert caught.value.status == 403


def test_each_change_is_told_once() -> None:
    cluster = MemoryCluster(deployment())
    seen: list[Snapshot] = []
    while_waiting(cluster, lambda: cluster.put(deployment(ready=True)), on_progress=seen.append)
    told = [str(snapshot.verdicts[API]) for snapshot in seen]
    assert told[-1] == "ready" and len(set(told)) == len(told)
    assert seen[-1].changed == (API,) and seen[-1].ready == 1


def claim(phase: str, storage_class: str | None) -> Manifest:
    spec = {"storageClassName": storage_class} if storage_class else {}
    meta = {"name": "data", "namespace": "ns"}
    kind = "PersistentVolumeClaim"
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("mode", ["WaitForFirstConsumer", "Immediate"])
def test_claim_is_judged_by_the_binding_mode_of_its_class(named: bool, mode: str) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    cluster = MemoryCluster(
        claim("Pending", "late" if named else None),
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "late", "annotations": default},
            "volumeBindingMode": mode,
        },
    )
    ref = Ref("v1", "PersistentVolumeClaim", "data", "ns")
    result = wait_until_ready(cluster, [ref], timeout=timedelta(milliseconds=50))
    assert result.ready is (mode == "WaitForFirstConsumer")
