"""What others made is never deleted, and it is said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.apply import NoHooks, apply_stack
from codexctl_ci.operations.destroy import DestroyOptions, DestroyResult, destroy_stack
from codexctl_ci.operations.inventory import forget, read_inventory
from codexctl_ci.operations.prune import NOT_OURS
from codexctl_ci.stack.objects import Manifest, Ref
from tests.contract.kube.stacks import config_map, layer, options
from tests.contract.kube.test_apply import kubectl

pytestmark = pytest.mark.sandbox


def ref(name: str, namespace: str) -> Ref:
    return Ref("v1", "ConfigMap", name, namespace)


def in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}


def destroy(cluster: Cluster, namespace: str, *manifests: Manifest, environment: str = "dev") -> DestroyResult:
    where = DestroyOptions(environment, namespace, timeout=timedelta(seconds=30))
    return destroy_stack(cluster, [layer(*manifests)], where, hooks=NoHooks())


def test_destroy_leaves_alone_what_was_never_applied(cluster: Cluster, namespace: str, kubeconfig: Path) -> None:
    cluster.create(in_namespace(config_map("theirs", mine="yes"), namespace))
    kubectl(kubeconfig, "apply", "-n", namespace, "-f", "-", stdin=config_map("of-kubectl", a="1"))
    done = destroy(cluster, namespace, config_map("theirs"), config_map("of-kubectl"))
    assert done.kept == ((ref("theirs", namespace), NOT_OURS),)
    assert done.deleted == (ref("of-kubectl", namespace),)
    assert cluster.get(ref("theirs", namespace)) is not None


def test_destroy_knows_ours_without_an_inventory(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(config_map("ours", a="1"))], options(namespace))
    forget(cluster, read_inventory(cluster, namespace, "dev"))
    assert destroy(cluster, namespace, config_map("ours")).deleted == (ref("ours", namespace),)


def test_what_an_apply_found_is_neither_pruned_nor_destroyed(cluster: Cluster, namespace: str) -> None:
    cluster.create(in_namespace(config_map("theirs", mine="yes"), namespace))
    stack = [config_map("theirs", a="1"), config_map("ours", a="1")]
    apply_stack(cluster, [layer(*stack)], options(namespace))
    apply_stack(cluster, [layer(*stack)], options(namespace))
    pruned = apply_stack(cluster, [], options(namespace, prune=True)).pruned
    assert pruned.deleted == (ref("ours", namespace),)
    assert pruned.kept == ((ref("theirs", namespace), NOT_OURS),)
    apply_stack(cluster, [layer(*stack)], options(namespace))
    rendered, left_over = destroy(cluster, namespace, *stack), destroy(cluster, namespace)
    assert rendered.kept == left_over.kept == ((ref("theirs", namespace), NOT_OURS),)
    assert cluster.get(ref("theirs", namespace)) is not None


def test_what_was_found_is_ours_once_we_made_it_anew(cluster: Cluster, namespace: str) -> None:
    cluster.create(in_namespace(config_map("theirs"), namespace))
    apply_stack(cluster, [layer(config_map("theirs", a="1"))], options(namespace))
    cluster.delete(ref("theirs", namespace))
    apply_stack(cluster, [layer(config_map("theirs", a="1"))], options(namespace))
    pruned = apply_stack(cluster, [], options(namespace, prune=True)).pruned
    assert pruned.deleted == (ref("theirs", namespace),)


def test_objects_of_kubectl_are_taken_over_and_pruned(cluster: Cluster, namespace: str, kubeconfig: Path) -> None:
    kubectl(kubeconfig, "apply", "-n", namespace, "-f", "-", stdin=config_map("of-kubectl", a="1"))
    apply_stack(cluster, [layer(config_map("of-kubectl", a="1"))], options(namespace))
    pruned = apply_stack(cluster, [], options(namespace, prune=True)).pruned
    assert pruned.deleted == (ref("of-kubectl", namespace),)


def test_destroy_of_one_environment_leaves_what_another_holds_until_that_one_goes(
    cluster: Cluster, namespace: str
) -> None:
    shared, repairs = config_map("shared", a="1"), config_map("repairs", a="1")
    apply_stack(cluster, [layer(shared)], options(namespace, environment="ai-staging"))
    apply_stack(cluster, [layer(shared, repairs)], options(namespace, environment="ai-repair"))
    done = destroy(cluster, namespace, shared, repairs, environment="ai-repair")
    assert done.deleted == (ref("repairs", namespace),)
    assert done.kept == ((ref("shared", namespace), "is in codexctl-inventory-ai-staging too"),)
    last = destroy(cluster, namespace, shared, environment="ai-staging")
    assert last.deleted == (ref("shared", namespace),)


def test_prune_of_one_environment_leaves_what_another_holds(cluster: Cluster, namespace: str) -> None:
    shared = config_map("shared", a="1")
    apply_stack(cluster, [layer(shared)], options(namespace, environment="ai-staging"))
    apply_stack(cluster, [layer(shared)], options(namespace, environment="ai-repair"))
    pruned = apply_stack(cluster, [], options(namespace, environment="ai-repair", prune=True)).pruned
    assert pruned.deleted == ()
    assert pruned.kept == ((ref("shared", namespace), "is in codexctl-inventory-ai-staging too"),)
    staging = apply_stack(cluster, [], options(namespace, environment="ai-staging", prune=True)).pruned
    assert staging.deleted == (ref("shared", namespace),)
