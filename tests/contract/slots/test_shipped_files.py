"""Each file of examples/cluster is taken by a real API server, whole."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from codexctl_ci.cli.main import main
from codexctl_ci.errors import ApiError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.slots.records import SlotRecord, SlotState
from codexctl_ci.stack.objects import Manifest, ref_of
from sandbox.state import State
from tests.support.runner_account import SHIPPED, shipped_runner
from tests.support.slot_scene import SlotScene

CLUSTER = SHIPPED.parent
MANIFESTS = sorted(file.name for file in CLUSTER.glob("*.yaml") if not file.name.startswith("arc-values"))


def shipped(file: str, tag: str) -> list[Manifest]:
    """The objects of a file under names that no other test has."""
    text = (CLUSTER / file).read_text("utf-8").replace("pantry", f"p{tag}")
    text = re.sub(
        r"\b(codexctl-(?:runners?|registry|slot-deployer|slot-deployer-more)|codex-model)\b", rf"\1-{tag}", text
    )
    return [item for item in yaml.safe_load_all(text) if item]


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


@pytest.fixture
def applied(cluster: Cluster, tag: str, file: str) -> Iterator[list[Manifest]]:
    """Every object of the file, in its order; namespaces that other files make are made before."""
    objects = shipped(file, tag)
    made = {item["metadata"]["name"] for item in objects if item["kind"] == "Namespace"}
    wanted = {ref_of(item).namespace for item in objects} - made - {""}
    around = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(wanted)]
    home = wanted | made
    for item in objects:
        if not ref_of(item).namespace and cluster.namespaced(item["apiVersion"], item["kind"]) is not False:
            item["metadata"]["namespace"] = sorted(home or {f"stack-{tag}"})[0]
    if not home:
        around = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"stack-{tag}"}}]
    try:
        yield [cluster.apply(item, force=True) for item in [*around, *objects]]
    finally:
        for item in [*objects, *around]:
            if item["kind"] == "Namespace" or not ref_of(item).namespace:
                cluster.delete(ref_of(item))


@pytest.mark.parametrize("file", MANIFESTS)
def test_shipped_manifests_are_accepted_by_the_api(applied: list[Manifest], file: str) -> None:
    kinds = {item["kind"] for item in applied} - {"Namespace"}
    assert kinds == {item["kind"] for item in shipped(file, "x")} - {"Namespace"}
    assert all(item["metadata"].get("uid") for item in applied)


def pod(file: str, *, shared: bool) -> Manifest:
    """The pod that the chart makes of the values' template."""
    text = (CLUSTER / file).read_text("utf-8")
    # What stands behind a `#` without a space is code to switch on.
    template = yaml.safe_load(re.sub(r"^( *)#(?=\w)", r"\1", text, flags=re.MULTILINE) if shared else text)["template"]
    spec: dict[str, Any] = {"restartPolicy": "Never", **template["spec"]}
    meta = {"name": f"runner-{uuid.uuid4().hex[:8]}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec | {"serviceAccountName": "default"}}


@pytest.mark.parametrize("shared", [False, True], ids=["as-it-is", "with-shared-storage"])
@pytest.mark.parametrize("file", ["arc-values.yaml", "arc-values-staging.yaml"])
def test_template_of_runners_is_a_pod(cluster: Cluster, file: str, shared: bool) -> None:
    wanted = pod(file, shared=shared)
    volumes = {volume["name"] for volume in wanted["spec"].get("volumes", [])}
    assert volumes == ({"workspace"} if shared else set())
    # Strict: an unknown field is an error.
    made = cluster.apply(wanted, dry_run=True)
    mounts = {mount["name"] for mount in made["spec"]["containers"][0].get("volumeMounts", [])}
    assert volumes <= mounts


def test_slot_has_limits_that_its_deployer_sets_and_its_agent_cannot_change(cluster: Cluster, tag: str) -> None:
    project = f"p{tag}"
    with shipped_runner(cluster, project) as runner:
        scene = SlotScene(cluster, f"{project}-ai-staging", project)
        record = scene.ensure(7, cluster=runner).record
        inside = deployer(runner, record)
        for item in limits(record):
            inside.apply(item)
            # As on each deploy after the first.
            inside.apply(item)
        agent = edit_account(cluster, record)
        for item in limits(record):
            with pytest.raises(ApiError) as refused:
                agent.apply(item, force=True)
            assert refused.value.status == 403
        bare = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "bare", "namespace": record.namespace},
            "spec": {"containers": [{"name": "a", "image": "a"}], "nodeSelector": {"no": "such"}},
        }
        (container,) = inside.create(bare)["spec"]["containers"]
        assert container["resources"] == {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "2Gi"},
        }
        greedy = {**bare, "metadata": {"name": "greedy", "namespace": record.namespace}}
        greedy["spec"] = {"containers": [{"name": "a", "image": "a", "resources": {"requests": {"cpu": "5"}}}]}
        with pytest.raises(ApiError, match="exceeded quota"):
            agent.create(greedy)
        scene.clean(record.slot, cluster=runner)


def limits(record: SlotRecord) -> list[Manifest]:
    items = [item for item in yaml.safe_load_all((CLUSTER / "slot-limits.yaml").read_text("utf-8")) if item]
    return [{**item, "metadata": {**item["metadata"], "namespace": record.namespace}} for item in items]


def edit_account(cluster: Cluster, record: SlotRecord) -> Cluster:
    """An account with the built-in role `edit` in the slot, as agents mostly have it."""
    meta = {"name": "agent", "namespace": record.namespace}
    rbac = "rbac.authorization.k8s.io"
    cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    cluster.create(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        }
    )
    return cluster.acting_as(cluster.token_for(record.namespace, "agent", timedelta(hours=1)))


@pytest.mark.parametrize("example", ["minimal", "project-example", "go-templates"])
def test_collector_needs_no_file_but_services_yaml(
    cluster: Cluster, sandbox: State, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    (job,) = [item for item in yaml.safe_load_all((CLUSTER / "gc.yaml").read_text("utf-8")) if item]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    program, *words = container["command"]
    # As the ConfigMap is mounted.
    text = (CLUSTER.parent / example / "services.yaml").read_text("utf-8")
    text, renamed = re.subn(r"^project: .*$", f"project: p{tag}", text, flags=re.MULTILINE)
    text, _ = re.subn(
        r"^  configmapNamespace: .*$", f"  configmapNamespace: p{tag}-ai-staging", text, flags=re.MULTILINE
    )
    assert (program, renamed) == ("codexctl-ci", 1)
    (tmp_path / "services.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    scene = SlotScene(cluster, f"p{tag}-ai-staging", f"p{tag}")
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.namespace}})
    try:
        scene.ensure(7)
        long_ago = cluster.now() - timedelta(hours=9)
        scene.store().update(1, lambda known: replace(known, expires=long_ago, warned=long_ago))
        environ = {"PATH": os.environ["PATH"], "KUBECONFIG": str(sandbox.kubeconfig), "CODEXCTL_CONTEXT": "sandbox"}
        assert main(words, environ) == 0
        assert scene.records()[1].state is SlotState.FREE
    finally:
        scene.end()
