"""Applying stacks to a real API server."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.errors import CodexctlError, ConfigError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations.apply import apply_stack
from codexctl_ci.operations.apply_object import FieldConflict, ImmutableField, Outcome
from codexctl_ci.operations.inventory import inventory_name
from codexctl_ci.readiness.fields import holds
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import FaultyProxy, Refuse, Reset
from tests.contract.kube.conftest import get, through_proxy
from tests.contract.kube.stacks import (
    Waits,
    config_map,
    deployment,
    job,
    layer,
    options,
    secret,
    service,
    stack_of_42,
)
from tests.contract.kube.test_client import crd
from tests.unit.stack.test_plain_objects import ORDINARY

pytestmark = pytest.mark.sandbox

WRITES = "POST|PUT|PATCH|DELETE"


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Resource version of every object of the kinds that the tests make."""
    kinds = ["ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim"]
    found = {}
    for api_version, kind in [("v1", kind) for kind in kinds] + [("apps/v1", "Deployment"), ("batch/v1", "Job")]:
        for item in cluster.list(api_version, kind, namespace).items:
            found[f"{kind}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def kubectl(kubeconfig: Path, *words: str, stdin: Manifest | None = None) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("kubectl")), "--kubeconfig", str(kubeconfig), *words],
        input=json.dumps(stdin) if stdin else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_second_apply_moves_no_resource_version(cluster: Cluster, namespace: str) -> None:
    waits = Waits()
    # No Deployments and claims here: controllers write their status when they please.
    things = [m for m in stack_of_42() if m["kind"] not in ("Deployment", "PersistentVolumeClaim")]
    first = apply_stack(cluster, [layer(*things)], options(namespace), wait=waits)
    assert first.count(Outcome.CREATED) == len(things)
    before = versions(cluster, namespace)
    assert f"ConfigMap/{inventory_name('dev')}" in before
    second = apply_stack(cluster, [layer(*things)], options(namespace), wait=waits)
    assert versions(cluster, namespace) == before
    assert len(waits.asked) == 2 and len(waits.asked[1]) == len(things)
    assert {one.uid for one in first.objects} == {one.uid for one in second.objects}


def test_layers_go_one_after_the_other_and_each_is_waited_for(cluster: Cluster, namespace: str) -> None:
    asked: list[tuple[list[str], bool]] = []

    def wait(refs: Any) -> None:
        edge_is_there = cluster.get(Ref("v1", "ConfigMap", "edge", namespace)) is not None
        asked.append(([ref.name for ref in refs], edge_is_there))

    layers = [layer(config_map("db"), config_map("cache"), name="stateful"), layer(config_map("edge"), name="edge")]
    apply_stack(cluster, layers, options(namespace), wait=wait)
    assert asked == [(["db", "cache"], False), (["db", "cache", "edge"], True)]


def test_hooks_stand_around_each_layer_and_before_the_last_wait(cluster: Cluster, namespace: str) -> None:
    said: list[str] = []

    class Hooks:
        def before_all(self) -> None:
            said.append("before all")

        def before_layer(self, number: int) -> None:
            said.append(f"before {number}")

        def after_layer(self, number: int) -> None:
            said.append(f"after {number}")

        def after_all(self) -> None:
            said.append("after all")

    layers = [layer(config_map("a")), layer(config_map("b"))]
    apply_stack(cluster, layers, options(namespace), wait=lambda _: said.append("wait"), hooks=Hooks())
    assert said == ["before all", "before 0", "after 0", "wait", "before 1", "after 1", "after all", "wait"]


def test_nothing_is_applied_when_one_object_is_refused(cluster: Cluster, namespace: str) -> None:
    wrong = deployment("wrong")
    wrong["spec"]["replcias"] = 3
    bad = service("bad")
    bad["spec"]["ports"][0]["port"] = 70_000_000
    with pytest.raises(ConfigError) as caught:
        apply_stack(cluster, [layer(config_map("good")), layer(wrong, bad)], options(namespace))
    assert "replcias" in str(caught.value) and "Service/bad" in str(caught.value)
    assert caught.value.exit_code == 2
    assert cluster.get(Ref("v1", "ConfigMap", "good", namespace)) is None
    assert cluster.get(Ref("v1", "ConfigMap", inventory_name("dev"), namespace)) is None


def test_what_passes_as_plain_is_accepted(cluster: Cluster, namespace: str) -> None:
    for manifest in ORDINARY:
        meta = manifest["metadata"] | {"namespace": namespace}
        cluster.apply(manifest | {"metadata": meta}, dry_run=True)


def test_plain_object_that_is_there_already_is_judged_before_anything_is_applied(
    cluster: Cluster, namespace: str
) -> None:
    cluster.create(service("web") | {"metadata": {"name": "web", "namespace": namespace}})
    headless = service("web")
    headless["spec"]["clusterIP"] = "None"
    with pytest.raises(CodexctlError) as caught:
        apply_stack(cluster, [layer(config_map("good"), headless)], options(namespace))
    assert "Service/web" in str(caught.value)
    assert cluster.get(Ref("v1", "ConfigMap", "good", namespace)) is None


def test_unknown_kind_names_its_definition_and_nothing_is_applied(cluster: Cluster, namespace: str) -> None:
    issuer: Manifest = {"apiVersion": "acme.example/v1", "kind": "Issuer", "metadata": {"name": "x"}}
    other: Manifest = {"apiVersion": "apps/v9", "kind": "Deployment", "metadata": {"name": "x"}}
    with pytest.raises(ConfigError) as caught:
        apply_stack(cluster, [layer(config_map("good"), issuer, other)], options(namespace))
    text = str(caught.value)
    assert "Issuer/x" in text and "issuers.acme.example" in text and "apps/v9" in text
    assert cluster.get(Ref("v1", "ConfigMap", "good", namespace)) is None


def test_definition_its_objects_and_a_namespace_come_in_one_apply(cluster: Cluster, namespace: str) -> None:
    group, other = f"g{uuid.uuid4().hex[:8]}.example", f"other-{uuid.uuid4().hex[:8]}"
    widget: Manifest = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    far = config_map("far")
    far["metadata"]["namespace"] = other
    space: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    try:
        result = apply_stack(cluster, [layer(widget, far, crd(group), space)], options(namespace))
        assert result.count(Outcome.CREATED) == 4
        assert get(cluster, "Widget", "w", namespace, f"{group}/v1")["spec"] == {"size": 1}
        again = apply_stack(cluster, [layer(widget, far, crd(group), space)], options(namespace))
        assert len(again.objects) == 4
    finally:
        cluster.delete(Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"widgets.{group}"))
        cluster.delete(Ref("v1", "Namespace", other))


def test_namespace_of_the_environment_is_made_with_its_labels(cluster: Cluster) -> None:
    name = f"kube-{uuid.uuid4().hex[:10]}"
    try:
        apply_stack(cluster, [layer(config_map("a"))], options(name, labels={"codexctl.io/env": "dev"}))
        found = get(cluster, "Namespace", name, "")
        assert found["metadata"]["labels"]["codexctl.io/env"] == "dev"
    finally:
        cluster.delete(Ref("v1", "Namespace", name))


def test_conflict_names_field_manager_and_what_to_do(cluster: Cluster, namespace: str, kubeconfig: Path) -> None:
    apply_stack(cluster, [layer(deployment("web", None))], options(namespace))
    two = '{"spec":{"replicas":2}}'
    kubectl(kubeconfig, "-n", namespace, "patch", "deploy/web", "-p", two, "--field-manager=autoscaler")
    with pytest.raises(FieldConflict) as caught:
        apply_stack(cluster, [layer(deployment("web", 1))], options(namespace))
    text = str(caught.value)
    assert ".spec.replicas" in text and "autoscaler" in text and "--force-conflicts" in text
    assert get(cluster, "Deployment", "web", namespace, "apps/v1")["spec"]["replicas"] == 2
    forced = apply_stack(cluster, [layer(deployment("web", 1))], options(namespace, force_conflicts=True))
    assert not forced.warnings
    assert get(cluster, "Deployment", "web", namespace, "apps/v1")["spec"]["replicas"] == 1


def test_other_managers_are_overruled_in_a_slot_with_a_warning(
    cluster: Cluster, namespace: str, kubeconfig: Path
) -> None:
    apply_stack(cluster, [layer(deployment("web", 0))], options(namespace, slot=3))
    kubectl(
        kubeconfig, "-n", namespace, "patch", "deploy/web", "-p", '{"spec":{"replicas":1}}', "--field-manager=agent"
    )
    result = apply_stack(cluster, [layer(deployment("web", 0))], options(namespace, slot=3))
    assert len(result.warnings) == 1
    assert ".spec.replicas" in result.warnings[0] and "agent" in result.warnings[0]
    assert get(cluster, "Deployment", "web", namespace, "apps/v1")["spec"]["replicas"] == 0


@pytest.mark.parametrize("same", [True, False], ids=["same values", "other values"])
def test_fields_of_client_side_apply_are_taken_over_and_removals_happen(
    cluster: Cluster, namespace: str, kubeconfig: Path, same: bool
) -> None:
    old = config_map("settings", kept="1", dropped="2")
    old["metadata"] |= {"labels": {"old": "yes"}, "namespace": namespace}
    kubectl(kubeconfig, "apply", "-f", "-", stdin=old)
    new = config_map("settings", kept="1" if same else "other")
    apply_stack(cluster, [layer(new)], options(namespace))
    found = get(cluster, "ConfigMap", "settings", namespace)
    assert found["data"] == new["data"]
    assert "labels" not in found["metadata"] and "annotations" not in found["metadata"]
    assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == ["codexctl-ci"]
    before = found["metadata"]["resourceVersion"]
    apply_stack(cluster, [layer(new)], options(namespace))
    assert get(cluster, "ConfigMap", "settings", namespace)["metadata"]["resourceVersion"] == before


def test_job_whose_template_changed_is_made_anew(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(job("migrate", "true"))], options(namespace))
    old = get(cluster, "Job", "migrate", namespace, "batch/v1")["metadata"]["uid"]
    same = apply_stack(cluster, [layer(job("migrate", "true"))], options(namespace))
    assert same.count(Outcome.RECREATED) == 0
    result = apply_stack(cluster, [layer(job("migrate", "echo", "2"))], options(namespace))
    assert result.count(Outcome.RECREATED) == 1
    found = get(cluster, "Job", "migrate", namespace, "batch/v1")
    assert found["metadata"]["uid"] != old
    assert found["spec"]["template"]["spec"]["containers"][0]["command"] == ["echo", "2"]


def test_job_that_would_be_invalid_is_not_deleted(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(job("migrate", "true"))], options(namespace))
    old = get(cluster, "Job", "migrate", namespace, "batch/v1")["metadata"]["uid"]
    wrong = job("migrate", "echo")
    wrong["spec"]["template"]["spec"]["containers"][0]["name"] = "Not A Name"
    with pytest.raises(ConfigError, match=r"containers\[0\].name"):
        apply_stack(cluster, [layer(wrong)], options(namespace))
    assert get(cluster, "Job", "migrate", namespace, "batch/v1")["metadata"]["uid"] == old


def test_job_of_ours_that_failed_is_tried_again_by_the_next_apply(cluster: Cluster, namespace: str) -> None:
    broken = job("migrate", "false")
    broken["spec"]["backoffLimit"] = 0
    apply_stack(cluster, [layer(broken)], options(namespace))
    old = get(cluster, "Job", "migrate", namespace, "batch/v1")["metadata"]["uid"]
    watch = cluster.watch("batch/v1", "Job", namespace, since="", timeout=timedelta(minutes=2))
    assert any(holds(change.object, "Failed") for change in watch)
    watch.close()
    again = apply_stack(cluster, [layer(broken)], options(namespace))
    assert again.count(Outcome.RECREATED) == 1
    new = get(cluster, "Job", "migrate", namespace, "batch/v1")["metadata"]["uid"]
    assert new != old
    inventory = get(cluster, "ConfigMap", inventory_name("dev"), namespace)["data"]["objects"]
    assert new in inventory and old not in inventory


def test_other_immutable_change_names_the_field(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(deployment("web"))], options(namespace))
    moved = deployment("web")
    moved["spec"]["selector"]["matchLabels"] = {"app": "other"}
    moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(ImmutableField) as caught:
        apply_stack(cluster, [layer(config_map("good"), moved)], options(namespace))
    assert "spec.selector" in str(caught.value) and "Deployment/web" in str(caught.value)
    assert cluster.get(Ref("v1", "ConfigMap", "good", namespace)) is None


def test_api_server_that_is_away_for_a_while_is_survived(
    cluster: Cluster, connection: Connection, proxy: FaultyProxy, namespace: str
) -> None:
    through = through_proxy(proxy, connection)
    through.namespaced("v1", "ConfigMap")
    proxy.on(Refuse(429, retry_after=0), path="/configmaps/", method="PATCH", times=5)
    proxy.on(Reset(after=True), method="PATCH", times=3)
    proxy.on(Refuse(500), method="PATCH", times=3)
    proxy.on(Reset(), method="PATCH", times=3)
    things = [config_map(f"c{number}") for number in range(8)]
    result = apply_stack(through, [layer(*things)], options(namespace))
    assert len(result.objects) == 8
    assert {f"c{number}" for number in range(8)} <= {
        item["metadata"]["name"] for item in cluster.list("v1", "ConfigMap", namespace).items
    }


def test_role_and_binding_of_one_layer_need_no_order(cluster: Cluster, namespace: str) -> None:
    group = "rbac.authorization.k8s.io"
    role: Manifest = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []}
    binding: Manifest = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "r", "namespace": namespace}],
    }
    account: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "r"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": job("x")["spec"]["template"]["spec"]}
    pod["spec"]["serviceAccountName"] = "r"
    result = apply_stack(cluster, [layer(pod, binding, role, account)], options(namespace))
    assert result.count(Outcome.CREATED) == 4


def test_secret_values_are_not_in_the_inventory_nor_guessable_from_it(cluster: Cluster, namespace: str) -> None:
    apply_stack(cluster, [layer(secret("s", password="hunter2"))], options(namespace))
    first = get(cluster, "ConfigMap", inventory_name("dev"), namespace)["data"]
    apply_stack(cluster, [layer(secret("s", password="hunter3"))], options(namespace))
    assert get(cluster, "ConfigMap", inventory_name("dev"), namespace)["data"] == first
    assert get(cluster, "Secret", "s", namespace)["data"]["password"] == "aHVudGVyMw=="
