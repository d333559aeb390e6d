"""What is being deleted counts as gone: it is waited for and made anew; what vanishes under a wait is no success."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest

from codexctl_ci.errors import NotReady
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations import deletion
from codexctl_ci.operations.apply import apply_stack
from codexctl_ci.operations.apply_object import Outcome, apply_object
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.stack.objects import Ref
from tests.contract.kube.conftest import get
from tests.contract.kube.stacks import config_map, deployment, job, layer, options

pytestmark = pytest.mark.sandbox

HELD = {"metadata": {"finalizers": ["example.com/held"]}}
FREE = {"metadata": {"finalizers": None}}


@pytest.mark.parametrize("value", ["1", "2"], ids=["unchanged", "changed"])
def test_object_that_is_being_deleted_is_waited_for_and_made_anew(cluster: Cluster, namespace: str, value: str) -> None:
    apply_stack(cluster, [layer(config_map("c", a="1"))], options(namespace))
    ref = Ref("v1", "ConfigMap", "c", namespace)
    old = cluster.patch(ref, HELD)["metadata"]["uid"]
    cluster.delete(ref)
    soon = threading.Timer(1, lambda: cluster.patch(ref, FREE))
    soon.start()
    result = apply_stack(cluster, [layer(config_map("c", a=value))], options(namespace))
    soon.join()
    assert result.count(Outcome.RECREATED) == 1
    made = get(cluster, "ConfigMap", "c", namespace)
    assert made["metadata"]["uid"] not in ("", old) and made["data"] == {"a": value}
    assert apply_stack(cluster, [layer(config_map("c", a=value))], options(namespace)).count(Outcome.UNCHANGED) == 1


def test_what_holds_an_object_that_does_not_go_is_named(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = config_map("c", a="1") | {"metadata": {"name": "c", "namespace": namespace}}
    apply_object(cluster, manifest)
    ref = Ref("v1", "ConfigMap", "c", namespace)
    uid = cluster.patch(ref, HELD)["metadata"]["uid"]
    cluster.delete(ref)
    with pytest.raises(NotReady) as caught:
        deletion.wait_until_gone(cluster, ref, uid, timedelta(seconds=1))
    assert "example.com/held" in str(caught.value) and str(ref) in str(caught.value)
    cluster.patch(ref, FREE)


def test_deployment_that_goes_in_the_foreground_is_not_taken_for_the_new_one(cluster: Cluster, namespace: str) -> None:
    stack = [layer(deployment("web", 1))]
    apply_stack(cluster, stack, options(namespace))
    ref = Ref("apps/v1", "Deployment", "web", namespace)
    old = get(cluster, "Deployment", "web", namespace, "apps/v1")["metadata"]["uid"]
    cluster.delete(ref, background=False)
    apply_stack(cluster, stack, options(namespace))
    new = get(cluster, "Deployment", "web", namespace, "apps/v1")["metadata"]
    assert new["uid"] != old and "deletionTimestamp" not in new


def test_namespace_that_is_being_deleted_is_waited_for_and_made_anew(cluster: Cluster) -> None:
    name = "kube-going-" + uuid.uuid4().hex[:8]
    home = Ref("v1", "Namespace", name)
    stack = [layer(config_map("c", a="1"), config_map("d", a="1"))]
    try:
        apply_stack(cluster, stack, options(name))
        held = cluster.get(home)
        assert held is not None
        cluster.delete(home)
        result = apply_stack(cluster, stack, options(name))
        new = cluster.get(home)
        assert new is not None and new["metadata"]["uid"] != held["metadata"]["uid"]
        assert result.count(Outcome.CREATED) == 2
        assert get(cluster, "ConfigMap", "c", name)["data"] == {"a": "1"}
        assert apply_stack(cluster, stack, options(name)).count(Outcome.UNCHANGED) == 2
    finally:
        cluster.delete(home)


def test_namespace_deleted_under_a_wait_is_no_success(cluster: Cluster) -> None:
    name = f"kube-{uuid.uuid4().hex[:10]}"
    never = deployment("web", 1)
    never["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}}
    refs = apply_stack(cluster, [layer(never)], options(name)).refs
    going = threading.Timer(1, lambda: cluster.delete(Ref("v1", "Namespace", name)))
    going.start()
    result = wait_until_ready(cluster, refs, timeout=timedelta(seconds=60))
    going.join()
    assert not result.timed_out and [failure.verdict.reason for failure in result.failures] == ["Gone"]


def test_job_that_is_collected_as_soon_as_it_is_done_counts_by_how_it_ended(cluster: Cluster, namespace: str) -> None:
    good, bad = job("good", "true"), job("bad", "false")
    for one in (good, bad):
        one["spec"] |= {"ttlSecondsAfterFinished": 0, "backoffLimit": 0}
    refs = apply_stack(cluster, [layer(good)], options(namespace)).refs
    assert wait_until_ready(cluster, refs, timeout=timedelta(seconds=60)).ready
    refs = apply_stack(cluster, [layer(bad)], options(namespace)).refs
    assert not wait_until_ready(cluster, refs, timeout=timedelta(seconds=60)).ready
