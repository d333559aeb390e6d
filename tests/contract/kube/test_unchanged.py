"""What counts as unchanged on a real API server, and what is seen although the stack itself is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations.apply import apply_stack
from codexctl_ci.operations.apply_object import FieldConflict, Outcome
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import FaultyProxy, Refuse
from tests.contract.kube.conftest import get, through_proxy
from tests.contract.kube.stacks import config_map, deployment, job, layer, options, secret, stack_of_42
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.sandbox


def three(**more: Manifest) -> list[Manifest]:
    """Enough of a kind to be read at once."""
    made = {name: config_map(name, key="1") for name in ("a", "b", "c")}
    return list((made | more).values())


def data(cluster: Cluster, name: str, namespace: str, kind: str = "ConfigMap") -> Any:
    found = cluster.get(Ref("v1", kind, name, namespace))
    assert found is not None
    return found["data"]


def test_unchanged_apply_costs_one_request_a_kind_and_three_more(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, connection: Connection, tmp_path: Path
) -> None:
    things = stack_of_42()
    apply_stack(cluster, [layer(*things)], options(namespace))
    there = Connection(server=proxy.url, token=connection.token)
    Cluster.open(there, cache_dir=tmp_path).namespaced("v1", "Pod")
    proxy.clear()
    result = apply_stack(Cluster.open(there, cache_dir=tmp_path), [layer(*things)], options(namespace))
    assert result.count(Outcome.UNCHANGED) == len(things)
    assert proxy.count(method="PATCH|PUT|POST|DELETE") == 0
    assert proxy.count() <= len({thing["kind"] for thing in things}) + 3


def test_what_others_did_to_an_object_of_ours_is_seen(cluster: Cluster, namespace: str, kubeconfig: Path) -> None:
    kubectl = Kubectl(kubeconfig, namespace)
    apply_stack(cluster, [layer(*three())], options(namespace))
    patch = ("patch", "configmap/b", "--field-manager=somebody", "-p")
    kubectl(*patch, '{"data":{"key":"2"}}')
    with pytest.raises(FieldConflict) as caught:
        apply_stack(cluster, [layer(*three())], options(namespace))
    assert ".data.key" in str(caught.value) and "somebody" in str(caught.value)
    kubectl(*patch, '{"data":{"key":null}}')
    apply_stack(cluster, [layer(*three())], options(namespace))
    assert data(cluster, "b", namespace) == {"key": "1"}
    cluster.delete(Ref("v1", "ConfigMap", "c", namespace))
    again = apply_stack(cluster, [layer(*three())], options(namespace))
    assert again.count(Outcome.CREATED) == 1 and data(cluster, "c", namespace) == {"key": "1"}


def test_fields_that_kubectl_took_meanwhile_are_taken_back(cluster: Cluster, namespace: str, kubeconfig: Path) -> None:
    apply_stack(cluster, [layer(*three())], options(namespace))
    Kubectl(kubeconfig, namespace).apply(config_map("b", key="1"))
    apply_stack(cluster, [layer(*three())], options(namespace))
    found = get(cluster, "ConfigMap", "b", namespace)
    assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == ["codexctl-ci"]


def test_secret_of_another_value_is_applied_though_the_inventory_cannot_tell(cluster: Cluster, namespace: str) -> None:
    def stack(password: str) -> Any:
        return [layer(*(secret(name, password=password) for name in ("a", "b", "c")))]

    apply_stack(cluster, stack("old"), options(namespace))
    same = apply_stack(cluster, stack("old"), options(namespace))
    assert same.count(Outcome.UNCHANGED) == 3
    apply_stack(cluster, stack("new"), options(namespace))
    assert data(cluster, "b", namespace, "Secret") == {"password": "bmV3"}


def test_two_environments_that_render_one_object_otherwise_do_not_believe_each_other(
    cluster: Cluster, namespace: str
) -> None:
    staging, repair = options(namespace, environment="ai-staging"), options(namespace, environment="ai-repair")
    mine, other = layer(*three()), layer(*three(b=config_map("b", key="2")))
    for _ in range(2):
        apply_stack(cluster, [mine], staging)
        assert data(cluster, "b", namespace) == {"key": "1"}
        apply_stack(cluster, [other], repair)
        assert data(cluster, "b", namespace) == {"key": "2"}


@pytest.mark.parametrize("count", [1, 3], ids=["read alone", "read with its like"])
def test_what_a_hook_deleted_is_made_again(cluster: Cluster, namespace: str, count: int) -> None:
    stack = [layer(*(job(f"j{number}", "true") for number in range(count)))]

    class Hooks:
        def before_all(self) -> None: ...

        def before_layer(self, number: int) -> None:
            cluster.delete(Ref("batch/v1", "Job", "j0", namespace))

        def after_layer(self, number: int) -> None: ...

        def after_all(self) -> None: ...

    apply_stack(cluster, stack, options(namespace))
    apply_stack(cluster, stack, options(namespace), hooks=Hooks())
    found = cluster.get(Ref("batch/v1", "Job", "j0", namespace))
    assert found is not None and not found["metadata"].get("deletionTimestamp")


def test_values_that_the_server_writes_otherwise_are_left_to_it_to_judge(cluster: Cluster, namespace: str) -> None:
    odd = deployment("web", 0)
    odd["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1000m"}}
    apply_stack(cluster, [layer(odd)], options(namespace))
    before = cluster.get(Ref("apps/v1", "Deployment", "web", namespace))
    apply_stack(cluster, [layer(odd)], options(namespace))
    after = cluster.get(Ref("apps/v1", "Deployment", "web", namespace))
    assert before and after
    assert before["metadata"]["generation"] == after["metadata"]["generation"]


def test_account_that_may_not_list_applies_all_the_same(
    cluster: Cluster, namespace: str, proxy: FaultyProxy, connection: Connection
) -> None:
    apply_stack(cluster, [layer(*three())], options(namespace))
    proxy.on(Refuse(403), path="/configmaps$", method="GET", times=None)
    result = apply_stack(through_proxy(proxy, connection), [layer(*three())], options(namespace))
    assert proxy.count(method="PATCH") == 3
    assert result.count(Outcome.CHANGED) == 0
    with pytest.raises(ApiError):
        through_proxy(proxy, connection).list("v1", "ConfigMap", namespace)
