"""What an apply removes, and what it never does; also after runs that were killed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations.apply import apply_stack
from codexctl_ci.operations.apply_object import Tries
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import FaultyProxy, Reset
from tests.contract.kube.conftest import get, through_proxy
from tests.contract.kube.stacks import claim, config_map, job, layer, options

pytestmark = pytest.mark.sandbox


def test_prune_removes_what_is_not_rendered_any_more_and_nothing_else(cluster: Cluster, namespace: str) -> None:
    stranger = config_map("stranger")
    stranger["metadata"]["namespace"] = namespace
    cluster.create(stranger)
    role: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": namespace},
        "rules": [],
    }
    everything = [config_map("kept"), config_map("old"), claim("data"), role]
    try:
        apply_stack(cluster, [layer(*everything)], options(namespace))
        part = apply_stack(cluster, [layer(config_map("kept"))], options(namespace, prune=True, whole=False))
        assert part.pruned.deleted == ()
        result = apply_stack(cluster, [layer(config_map("kept"))], options(namespace, prune=True))
        assert result.pruned.deleted == (Ref("v1", "ConfigMap", "old", namespace),)
        assert {ref.kind for ref, _ in result.pruned.kept} == {"ClusterRole", "PersistentVolumeClaim"}
        names = {item["metadata"]["name"] for item in cluster.list("v1", "ConfigMap", namespace).items}
        assert {"kept", "stranger"} <= names and "old" not in names
        volumes = options(namespace, prune=True, prune_volumes=True)
        result = apply_stack(cluster, [layer(config_map("kept"))], volumes)
        assert result.pruned.deleted == (Ref("v1", "PersistentVolumeClaim", "data", namespace),)
        assert get(cluster, "ClusterRole", namespace, "", "rbac.authorization.k8s.io/v1")
    finally:
        cluster.delete(Ref("rbac.authorization.k8s.io/v1", "ClusterRole", namespace))


def test_prune_spares_an_object_that_somebody_made_anew(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(config_map("kept"), config_map("old"))], options(namespace))
    ref = Ref("v1", "ConfigMap", "old", namespace)
    cluster.delete(ref)
    other = config_map("old")
    other["metadata"]["namespace"] = namespace
    cluster.create(other)
    result = apply_stack(cluster, [layer(config_map("kept"))], options(namespace, prune=True))
    assert result.pruned.deleted == ()
    assert cluster.get(ref) is not None


def test_prune_spares_an_object_that_moved_to_another_api_version(cluster: Cluster, namespace: str) -> None:
    def scaler(version: str) -> Manifest:
        return {
            "apiVersion": f"autoscaling/{version}",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h"},
            "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}},
        }

    apply_stack(cluster, [layer(scaler("v1"))], options(namespace))
    result = apply_stack(cluster, [layer(scaler("v2"))], options(namespace, prune=True))
    assert result.pruned.deleted == ()
    assert cluster.get(Ref("autoscaling/v2", "HorizontalPodAutoscaler", "h", namespace)) is not None


def test_inventories_of_two_environments_in_one_namespace_do_not_meet(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(config_map("staging"))], options(namespace, environment="ai-staging"))
    apply_stack(cluster, [layer(config_map("repair"))], options(namespace, environment="ai-repair"))
    result = apply_stack(cluster, [layer()], options(namespace, environment="ai-repair", prune=True))
    assert [ref.name for ref in result.pruned.deleted] == ["repair"]
    assert cluster.get(Ref("v1", "ConfigMap", "staging", namespace)) is not None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_around_any_call_the_next_run_completes_and_prune_finds_all(
    after: bool, cluster: Cluster, connection: Connection, proxy: FaultyProxy, namespace: str
) -> None:
    quick = through_proxy(proxy, connection)
    quick.namespaced("v1", "ConfigMap")
    once = options(namespace)
    proxy.clear()
    apply_stack(quick, [layer(config_map("z"), job("j", "true"))], once)
    apply_stack(quick, [layer(config_map("z", a="1"), job("j", "echo"))], once)
    calls = proxy.count()
    for number in range(1, calls + 1):
        environment = f"e{number}"
        place = options(namespace, environment=environment)
        first = [config_map(f"c{number}", a="1"), job(f"j{number}", "true")]
        second = [config_map(f"c{number}", a="2"), job(f"j{number}", "echo")]
        proxy.clear()
        proxy.die_at(number, after=after)
        dying = through_proxy(proxy, connection)
        dying.discovery = quick.discovery
        dying._transport.policy = type(dying._transport.policy)(tries=1)
        place_once = replace(place, tries=Tries(retries=0))
        with pytest.raises(CodexctlError):
            apply_stack(dying, [layer(*first)], place_once)
            apply_stack(dying, [layer(*second)], place_once)
            raise AssertionError(f"call {number} was never made")
        result = apply_stack(cluster, [layer(*second)], place)
        assert get(cluster, "ConfigMap", f"c{number}", namespace)["data"] == {"a": "2"}
        made = get(cluster, "Job", f"j{number}", namespace, "batch/v1")
        assert made["spec"]["template"]["spec"]["containers"][0]["command"] == ["echo"]
        assert len(result.objects) == 2
        # And once more, with nothing rendered: the killed run left nothing that the inventory doesn't know.
        gone = apply_stack(cluster, [layer()], options(namespace, environment=environment, prune=True))
        assert {ref.name for ref in gone.pruned.deleted} == {f"c{number}", f"j{number}"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_what_a_killed_first_run_made_is_pruned_though_it_never_learnt_the_uid(
    after: bool, cluster: Cluster, connection: Connection, proxy: FaultyProxy, namespace: str
) -> None:
    quick = through_proxy(proxy, connection)
    quick.namespaced("v1", "ConfigMap")
    proxy.clear()
    proxy.on(Reset(after=after), method="PATCH", query="dryRun=$|^(?!.*dryRun)", times=None)
    quick._transport.policy = type(quick._transport.policy)(tries=1)
    with pytest.raises(ApiError):
        apply_stack(quick, [layer(config_map("lost"))], replace(options(namespace), tries=Tries(retries=0)))
    there = cluster.get(Ref("v1", "ConfigMap", "lost", namespace)) is not None
    assert there is after
    result = apply_stack(cluster, [layer(config_map("new"))], options(namespace, prune=True))
    assert [ref.name for ref in result.pruned.deleted] == (["lost"] if after else [])
    assert cluster.get(Ref("v1", "ConfigMap", "lost", namespace)) is None
