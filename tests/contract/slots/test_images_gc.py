"""Clearing builds out of a real registry, by what a real cluster's slots and environments use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from codexctl_ci.cli.main import main
from codexctl_ci.stack.objects import Ref
from sandbox.state import State
from tests.support.registry import TestRegistry, running_registry
from tests.support.slot_scene import SlotScene

pytestmark = pytest.mark.sandbox

SERVICES = """
project: PROJECT
maxSlots: 3
state: {configmapNamespace: RECORDS}
namespace: {patterns: {dev: RECORDS-dev, ai-staging: RECORDS-staging}}
images:
  base: {type: external, from: "up.example/base:1", local: "REGISTRY/base:1"}
  api: {type: build, repository: REGISTRY/api, tag: v1}
"""
OLD = "2020-01-01T00:00:00.123456789Z"


@dataclass
class Shop:
    root: Path
    scene: SlotScene
    registry: TestRegistry
    kubeconfig: Path

    def run(self, *words: str, **more: str) -> int:
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "KUBECONFIG": str(self.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "GITHUB_RUN_ID": "70",
        }
        return main(list(words), {**given, **more})

    def tags(self) -> list[str]:
        answer = self.registry.http.request("GET", f"http://{self.registry.host}/v2/api/tags/list")
        return sorted(
            tag for tag in json.loads(answer.data)["tags"] or [] if self.registry.manifest("api", tag)[0] == 200
        )

    def deploy(self, namespace: str, image: str) -> None:
        """A workload that is not running: its next pod would be of ``image``."""
        pod = {"containers": [{"name": "api", "image": image}]}
        labels = {"app": "api"}
        spec = {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        metadata = {"name": "api", "namespace": namespace}
        self.scene.cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


@pytest.fixture
def shop(scene: SlotScene, sandbox: State, tmp_path: Path) -> Iterator[Shop]:
    with running_registry(tmp_path / "registry") as registry:
        text = SERVICES.replace("PROJECT", scene.project).replace("RECORDS", scene.namespace)
        (tmp_path / "services.yaml").write_text(text.replace("REGISTRY", registry.host))
        yield Shop(tmp_path, scene, registry, sandbox.kubeconfig)


@pytest.fixture
def dev(scene: SlotScene) -> Iterator[str]:
    name = f"{scene.namespace}-dev"
    scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    scene.cluster.delete(Ref("v1", "Namespace", name))


def test_only_what_no_slot_environment_or_tag_uses_is_deleted(
    shop: Shop, dev: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.scene.namespace_of(1)
    assert shop.run("ci", "ensure-slot", "--env", "ai", "--issue", "7") == 0
    push = shop.registry.push
    push("base:1", {"base": b"0" * 5000}, created=OLD)
    unused = push("api:ck-unused", {"bin": os.urandom(4000)}, created=OLD)
    provenance = shop.registry.push_referrer("api", unused, "provenance")
    shop.registry.push_index(f"api:{unused.replace(':', '-')}", shop.registry.descriptors("api", [provenance]))
    push(f"api:{unused.replace(':', '-')}.sig", {"signature": b"cosign"}, created=OLD)
    push("api:ck-in-slot", {"bin": b"1"}, created=OLD)
    push("api:ck-young", {"bin": b"2"}, created=(datetime.now(UTC) - timedelta(days=6)).isoformat())
    push("api:v1", {"bin": b"3"}, created=OLD)
    push("api:ck-tagged", {"bin": b"3"}, created=OLD)
    push("api:ck-index", {"bin": b"4"}, ("linux/amd64", "linux/arm64"), created=OLD)
    platform = json.loads(shop.registry.manifest("api", "ck-index")[2])["manifests"][1]["digest"]
    shop.deploy(shop.scene.namespace_of(1), "localhost:5000/api:ck-in-slot")
    shop.deploy(dev, f"{shop.registry.host}/api@{platform}")
    before = shop.tags()
    capfd.readouterr()

    assert shop.run("images", "gc", "-o", "json") == 0
    said = json.loads(capfd.readouterr().out)
    assert [build["tags"] for build in said["builds"] if build["outcome"] == "planned"] == [["ck-unused"]]
    assert said["reclaimable"] > 4000 and shop.tags() == before

    assert shop.run("images", "gc", "--no-dry-run") == 0
    assert "reclaimable" in capfd.readouterr().out
    assert shop.tags() == ["ck-in-slot", "ck-index", "ck-tagged", "ck-young", "v1"]
    assert shop.registry.manifest("api", provenance)[0] == 404

    assert shop.run("manage-env", "cleanup", "--env", "ai", "--slot", "1", "--force") == 0
    assert shop.run("images", "gc", "--no-dry-run", "--older-than", "72h") == 0
    assert shop.tags() == ["ck-index", "ck-tagged", "v1"]


def test_nothing_is_deleted_where_an_environment_cannot_be_seen(
    shop: Shop, dev: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.registry.push("api:ck-unused", {"bin": b"1"}, created=OLD)
    rules = [{"apiGroups": ["", "coordination.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}]
    name = shop.scene.project
    cluster = shop.scene.cluster
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": dev}})
    group = "rbac.authorization.k8s.io"
    cluster.apply({"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    cluster.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": dev}],
        }
    )
    try:
        code = shop.run("images", "gc", "--no-dry-run", KUBECONFIG=str(kubeconfig_of(shop, dev, name)))
    finally:
        cluster.delete(Ref(f"{group}/v1", "ClusterRoleBinding", name))
        cluster.delete(Ref(f"{group}/v1", "ClusterRole", name))
    said = capfd.readouterr().err
    assert code == 1 and "nothing is taken away" in said and dev in said and shop.tags() == ["ck-unused"]


def kubeconfig_of(shop: Shop, namespace: str, account: str) -> Path:
    """The administrator's kubeconfig with a service account's token."""
    document = yaml.safe_load(shop.kubeconfig.read_text())
    token = shop.scene.cluster.token_for(namespace, account, timedelta(minutes=10))
    document["users"] = [{"name": user["name"], "user": {"token": token}} for user in document["users"]]
    path = shop.root / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path
