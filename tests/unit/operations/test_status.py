"""Status: one look at the stack."""

from __future__ import annotations

from datetime import timedelta

from codexctl_ci.operations.status import read_status
from codexctl_ci.stack.objects import Ref
from tests.support.memory_cluster import MemoryCluster
from tests.unit.operations.test_wait import API, deployment, pod, replica_set


def test_each_object_has_its_row_in_the_order_asked_for() -> None:
    made = deployment(creationTimestamp="2025-12-31T23:00:00Z")
    made["spec"]["template"] = {"spec": {"containers": [{"image": "r/api:1"}, {"image": "r/api:1"}]}}
    cluster = MemoryCluster(made, replica_set(), pod("ImagePullBackOff"))
    gone = Ref("v1", "ConfigMap", "c", "ns")
    first, second = read_status(cluster, [gone, API])
    assert first.verdict.reason == "Missing" and first.age is None
    assert second.verdict.reason == "ImagePullBackOff" and second.images == ("r/api:1",)
    assert second.age == timedelta(hours=1)
    assert {verb for verb, _ in cluster.calls} == {"list"}


def test_pods_say_why_a_replication_controller_is_not_ready() -> None:
    meta = {"name": "api", "namespace": "ns", "uid": "rs", "generation": 1}
    status = {"observedGeneration": 1, "fullyLabeledReplicas": 1}
    made = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta, "status": status}
    (row,) = read_status(
        MemoryCluster(made, pod("ImagePullBackOff")), [Ref("v1", "ReplicationController", "api", "ns")]
    )
    assert row.verdict.reason == "ImagePullBackOff"


def test_image_of_a_cron_job_is_found() -> None:
    inner = {"spec": {"template": {"spec": {"containers": [{"image": "r/job:1"}]}}}}
    meta = {"name": "j", "namespace": "ns"}
    cluster = MemoryCluster(
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": {"jobTemplate": inner}}
    )
    (row,) = read_status(cluster, [Ref("batch/v1", "CronJob", "j", "ns")])
    assert row.verdict.ready and row.images == ("r/job:1",)
