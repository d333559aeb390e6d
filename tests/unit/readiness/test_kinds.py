"""Every row of the readiness rules, over status objects as controllers write them."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.readiness.kinds import judge_object, settled_at_once
from codexctl_ci.readiness.verdict import State
from codexctl_ci.stack.objects import Manifest

R, P, F, T = State.READY, State.PROGRESSING, State.FAILED, State.TERMINATING


def obj(api: str, kind: str, spec: Any = None, status: Any = None, generation: int = 2, **meta: Any) -> Manifest:
    found = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", "uid": "u", "generation": generation, **meta}}
    if spec is not None:
        found["spec"] = spec
    if status is not None:
        found["status"] = status
    return found


def cond(kind: str, value: str = "True", reason: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": value, "reason": reason, "message": "", **more}


def deployment(want: int | None = 2, conditions: Any = None, observed: int | None = 2, **counts: int) -> Manifest:
    full = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, **counts}
    status: dict[str, Any] = {**full, "conditions": [cond("Available")] if conditions is None else conditions}
    if observed is not None:
        status["observedGeneration"] = observed
    return obj("apps/v1", "Deployment", {} if want is None else {"replicas": want}, status)


DEPLOYMENTS = [
    ("all there", deployment(), R, ""),
    ("not seen by its controller", obj("apps/v1", "Deployment", {"replicas": 1}), P, "Observing"),
    ("older generation", deployment(observed=1), P, "Observing"),
    ("old pods still there", deployment(replicas=3), P, "Updating"),
    ("not all updated", deployment(updatedReplicas=1, replicas=2), P, "Updating"),
    ("updated, not available", deployment(availableReplicas=1), P, "Unavailable"),
    ("not all ready", deployment(readyReplicas=1), P, "Unready"),
    ("Available is false", deployment(conditions=[cond("Available", "False", "Minimum")]), P, "Minimum"),
    ("Available is missing", deployment(conditions=[]), P, "Unavailable"),
    ("default is one replica", deployment(None, replicas=0, updatedReplicas=0), P, "Updating"),
    (
        "scaled to nothing",
        deployment(0, replicas=0, updatedReplicas=0, availableReplicas=0, readyReplicas=0),
        R,
        "",
    ),
    (
        "deadline exceeded",
        deployment(
            updatedReplicas=1, conditions=[cond("Available"), cond("Progressing", "False", "ProgressDeadlineExceeded")]
        ),
        F,
        "ProgressDeadlineExceeded",
    ),
    (
        "quota",
        deployment(
            replicas=0,
            updatedReplicas=0,
            availableReplicas=0,
            readyReplicas=0,
            conditions=[cond("ReplicaFailure", "True", "FailedCreate")],
        ),
        P,
        "FailedCreate",
    ),
    ("being deleted", obj("apps/v1", "Deployment", {}, {}, deletionTimestamp="2026-01-01T00:00:00Z"), T, "Terminating"),
]


def stateful(strategy: Any = None, **status: Any) -> Manifest:
    full = {
        "observedGeneration": 2,
        "replicas": 3,
        "readyReplicas": 3,
        "currentRevision": "a",
        "updateRevision": "a",
        "updatedReplicas": 3,
    }
    spec = {"replicas": 3, **({"updateStrategy": strategy} if strategy else {})}
    return obj("apps/v1", "StatefulSet", spec, {**full, **status})


BY_HAND = {"type": "OnDelete"}
PARTITION = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
STATEFUL_SETS = [
    ("all there", stateful(), R, ""),
    ("OnDelete waits for no new revision", stateful(BY_HAND, updateRevision="b", updatedReplicas=0), R, ""),
    ("OnDelete with too few pods", stateful(BY_HAND, replicas=2), P, "Creating"),
    ("OnDelete with too few ready", stateful(BY_HAND, readyReplicas=0), P, "Unready"),
    ("OnDelete not seen by its controller", stateful(BY_HAND, observedGeneration=None), P, "Observing"),
    ("too few pods", stateful(replicas=2), P, "Creating"),
    ("too few ready", stateful(readyReplicas=2), P, "Unready"),
    ("rolling", stateful(updateRevision="b", updatedReplicas=1), P, "Updating"),
    ("partition not reached", stateful(PARTITION, updateRevision="b", updatedReplicas=0), P, "Updating"),
    ("partition reached", stateful(PARTITION, updateRevision="b", updatedReplicas=1), R, ""),
    ("not seen by its controller", obj("apps/v1", "StatefulSet", {"replicas": 0}), P, "Observing"),
]


def daemon(strategy: Any = None, **status: Any) -> Manifest:
    full = {
        "observedGeneration": 2,
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2,
        "numberAvailable": 2,
        "numberReady": 2,
    }
    spec = {"updateStrategy": strategy} if strategy else {}
    return obj(
        "apps/v1", "DaemonSet", spec, {key: value for key, value in {**full, **status}.items() if value is not None}
    )


DAEMON_SETS = [
    ("all there", daemon(), R, ""),
    ("no node wants it", daemon(desiredNumberScheduled=0, currentNumberScheduled=0), R, ""),
    ("not seen by its controller", daemon(observedGeneration=None), P, "Observing"),
    ("not scheduled", daemon(currentNumberScheduled=1), P, "Creating"),
    ("not updated", daemon(updatedNumberScheduled=1), P, "Updating"),
    ("not available", daemon(numberAvailable=1), P, "Unavailable"),
    ("not ready", daemon(numberReady=1), P, "Unready"),
    ("OnDelete waits for no new template", daemon(BY_HAND, updatedNumberScheduled=0), R, ""),
    ("OnDelete, not ready", daemon(BY_HAND, updatedNumberScheduled=0, numberReady=0), P, "Unready"),
]


def replica_set(**status: Any) -> Manifest:
    full = {"observedGeneration": 2, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    return obj("apps/v1", "ReplicaSet", {"replicas": 1}, {**full, **status})


REPLICA_SETS = [
    ("all there", replica_set(), R, ""),
    ("creation fails", replica_set(conditions=[cond("ReplicaFailure", "True", "FailedCreate")]), P, "FailedCreate"),
    ("not created", replica_set(fullyLabeledReplicas=0), P, "Creating"),
    ("not available", replica_set(availableReplicas=0), P, "Unavailable"),
    ("not ready", replica_set(readyReplicas=0), P, "Unready"),
]

REPLICATION_CONTROLLERS = [
    (name, {**found, "apiVersion": "v1", "kind": "ReplicationController"}, state, reason)
    for name, found, state, reason in REPLICA_SETS
]

PODS = [
    ("ready", obj("v1", "Pod", {}, {"phase": "Running", "conditions": [cond("Ready")]}), R, ""),
    ("succeeded", obj("v1", "Pod", {}, {"phase": "Succeeded"}), R, "Succeeded"),
    ("failed", obj("v1", "Pod", {}, {"phase": "Failed", "reason": "Evicted"}), F, "Evicted"),
    (
        "running, not ready",
        obj("v1", "Pod", {}, {"phase": "Running", "conditions": [cond("Ready", "False", "ContainersNotReady")]}),
        P,
        "ContainersNotReady",
    ),
    ("just made", obj("v1", "Pod", {}), P, "Pending"),
]

JOBS = [
    (
        "complete",
        obj("batch/v1", "Job", {}, {"conditions": [cond("SuccessCriteriaMet"), cond("Complete")]}),
        R,
        "Complete",
    ),
    (
        "failed",
        obj("batch/v1", "Job", {}, {"conditions": [cond("Failed", "True", "BackoffLimitExceeded")]}),
        F,
        "BackoffLimitExceeded",
    ),
    ("suspended", obj("batch/v1", "Job", {"suspend": True}, {"conditions": [cond("Suspended")]}), R, "Suspended"),
    ("running", obj("batch/v1", "Job", {"completions": 2}, {"active": 1, "succeeded": 1}), P, "Running"),
    (
        "failing, not failed",
        obj("batch/v1", "Job", {}, {"failed": 1, "conditions": [cond("FailureTarget")]}),
        P,
        "Running",
    ),
    ("just made", obj("batch/v1", "Job", {}), P, "Running"),
]

AT_ONCE = [
    (kind, obj(api, kind), R, "")
    for api, kind in (
        ("batch/v1", "CronJob"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("policy/v1", "PodDisruptionBudget"),
        ("networking.k8s.io/v1", "Ingress"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
    )
]

OTHERS = [
    ("claim bound", obj("v1", "PersistentVolumeClaim", {}, {"phase": "Bound"}), R, ""),
    ("claim unbound", obj("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}), P, "Unbound"),
    ("claim lost", obj("v1", "PersistentVolumeClaim", {}, {"phase": "Lost"}), F, "Lost"),
    ("service", obj("v1", "Service", {"type": "ClusterIP"}, {"loadBalancer": {}}), R, ""),
    ("service outside", obj("v1", "Service", {"type": "ExternalName"}), R, ""),
    ("balancer waits", obj("v1", "Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}), P, "Pending"),
    (
        "balancer",
        obj("v1", "Service", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        R,
        "",
    ),
    ("crd new", obj("apiextensions.k8s.io/v1", "CustomResourceDefinition"), P, "NotEstablished"),
    (
        "crd",
        obj(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            status={"conditions": [cond("NamesAccepted"), cond("Established")]},
        ),
        R,
        "",
    ),
    (
        "crd with taken names",
        obj(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            status={"conditions": [cond("NamesAccepted", "False", "ListKindConflict")]},
        ),
        F,
        "ListKindConflict",
    ),
    ("custom, no status", obj("example.org/v1", "Widget"), R, ""),
    (
        "custom, other conditions",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Synced", "False")]}),
        R,
        "",
    ),
    ("custom ready", obj("example.org/v1", "Widget", status={"conditions": [cond("Ready")]}), R, ""),
    (
        "custom not ready",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Ready", "False", "Issuing")]}),
        P,
        "Issuing",
    ),
    (
        "custom unknown",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Ready", "Unknown", "")]}),
        P,
        "NotReady",
    ),
    ("custom available", obj("example.org/v1", "Widget", status={"conditions": [cond("Available")]}), R, ""),
    (
        "custom with a condition of an older generation",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Ready", observedGeneration=1)]}),
        P,
        "NotReady",
    ),
    ("custom observed late", obj("example.org/v1", "Widget", status={"observedGeneration": 1}), P, "Observing"),
    (
        "reconciling",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Reconciling"), cond("Ready")]}),
        P,
        "Reconciling",
    ),
    (
        "stalled",
        obj("example.org/v1", "Widget", status={"conditions": [cond("Stalled", "True", "BadSpec")]}),
        F,
        "BadSpec",
    ),
    ("custom kind named like ours", obj("example.org/v1", "Deployment", {"replicas": 3}), R, ""),
    (
        "deletion comes first",
        obj(
            "example.org/v1",
            "Widget",
            status={"conditions": [cond("Stalled")]},
            deletionTimestamp="x",
            finalizers=["a/b"],
        ),
        T,
        "Terminating",
    ),
]

ROWS = [
    *(("Deployment: " + row[0], *row[1:]) for row in DEPLOYMENTS),
    *(("StatefulSet: " + row[0], *row[1:]) for row in STATEFUL_SETS),
    *(("DaemonSet: " + row[0], *row[1:]) for row in DAEMON_SETS),
    *(("ReplicaSet: " + row[0], *row[1:]) for row in REPLICA_SETS),
    *(("ReplicationController: " + row[0], *row[1:]) for row in REPLICATION_CONTROLLERS),
    *(("Pod: " + row[0], *row[1:]) for row in PODS),
    *(("Job: " + row[0], *row[1:]) for row in JOBS),
    *AT_ONCE,
    *OTHERS,
]


@pytest.mark.parametrize(("manifest", "state", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_state_of_an_object_by_its_own_status(manifest: Manifest, state: State, reason: str) -> None:
    verdict = judge_object(manifest)
    assert (verdict.state, verdict.reason) == (state, reason)
    assert verdict.fatal == (state is F)


def test_claim_that_waits_for_its_first_pod_is_ready() -> None:
    claim = obj("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"})
    assert judge_object(claim, waits_for_consumer=True).ready


def test_holders_of_an_object_being_deleted_are_named() -> None:
    held = obj("v1", "PersistentVolumeClaim", deletionTimestamp="x", finalizers=["kubernetes.io/pvc-protection"])
    assert "kubernetes.io/pvc-protection" in judge_object(held).message


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("v1", "ConfigMap", True),
        ("v1", "Pod", False),
        ("example.org/v1", "Ingress", False),
        ("batch/v1", "CronJob", True),
    ],
)
def test_kinds_that_need_no_watching(api_version: str, kind: str, expected: bool) -> None:
    assert settled_at_once(api_version, kind) is expected


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "Service"])
@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": ["x", {"type": None}]}, "odd"])
def test_any_shape_of_status_is_survived(kind: str, status: Any) -> None:
    api = {"Pod": "v1", "Service": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    judge_object({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "status": status})
