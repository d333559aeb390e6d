"""Builds as Jobs on a real cluster, from a real volume into a real registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import urllib3

from codexctl_ci.cli.main import main
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.stack.objects import Manifest, ref_of
from sandbox.state import State

pytestmark = pytest.mark.sandbox

IMAGE = "busybox:1.37.0"
SERVICES = """\
project: shop
namespace: {patterns: {dev: NAMESPACE}}
images:
  api:
    type: build
    repository: REGISTRY/NAMESPACE/api
    tag: v1
    context: api
    dockerfile: api/Dockerfile
    buildArgs: {BASE: "REGISTRY/library/busybox:1.37.0", NPM_TOKEN: npm-hunter2-token}
    buildContexts: {common: shared}
  web:
    type: build
    repository: REGISTRY/NAMESPACE/web
    tag: v1
    context: web
    dockerfile: web/Dockerfile
"""
FILES = {
    "api/Dockerfile": (
        "ARG BASE\nFROM $BASE\nARG NPM_TOKEN\nCOPY --from=common greeting /greeting\nCOPY main.py /main.py\n"
        'RUN test "$NPM_TOKEN" = npm-hunter2-token\n'
    ),
    "api/main.py": "print()\n",
    "api/.dockerignore": "*\n!main.py\n",
    "shared/greeting": "hello\n",
    "web/Dockerfile": "FROM scratch\nCOPY page /page\n",
    "web/page": "page\n",
}


@dataclass
class Shop:
    root: Path
    namespace: str
    state: State
    cluster: Cluster

    def run(self, *words: str) -> int:
        return main(list(words), self.environ())

    def environ(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root),
            "KUBECONFIG": str(self.state.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "CODEXCTL_KANIKO_IMAGE": self.state.kaniko_image,
            "CODEXCTL_KANIKO_PRIVILEGED": "true",
            "CODEXCTL_KANIKO_INSECURE": "true",
            "CODEXCTL_BUILDER": "job",
        }

    def builds(self) -> list[Manifest]:
        managed = "app.kubernetes.io/managed-by=codexctl-ci"
        return self.cluster.list("batch/v1", "Job", self.namespace, labels=managed).items

    def tags(self, name: str) -> list[str]:
        answer = urllib3.request("GET", f"http://{self.state.registry}/v2/{self.namespace}/{name}/tags/list")
        return sorted(json.loads(answer.data).get("tags") or [])


@pytest.fixture
def shop(sandbox: State, cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Shop]:
    text = SERVICES.replace("REGISTRY", sandbox.registry).replace("NAMESPACE", namespace)
    (tmp_path / "services.yaml").write_text(text)
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    put(cluster, namespace)
    yield Shop(tmp_path, namespace, sandbox, cluster)


def put(cluster: Cluster, namespace: str) -> None:
    """The workspace's claim, with the sources in it."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shop-workspace", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    script = "set -e; cd /workspace; mkdir -p codex/envs/dev/src; cd codex/envs/dev/src; mkdir api web shared\n"
    environ = []
    for number, (path, content) in enumerate(FILES.items()):
        environ.append({"name": f"F{number}", "value": content})
        script += f'printf %s "$F{number}" > {path}\n'
    mount = {"name": "w", "mountPath": "/workspace"}
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {"name": "put", "image": IMAGE, "command": ["sh", "-c", script], "env": environ, "volumeMounts": [mount]}
        ],
        "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "shop-workspace"}}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "put", "namespace": namespace},
        "spec": {"template": {"spec": pod}},
    }
    refs = [ref_of(cluster.apply(claim)), ref_of(cluster.apply(job))]
    assert wait_until_ready(cluster, refs, timeout=timedelta(seconds=60)).ready


def test_images_are_built_side_by_side_not_twice_and_no_secret_shows(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shop.run("images", "build") == 0
    for name in ("api", "web"):
        key, version = shop.tags(name)
        assert key.startswith("ck-") and version == "v1"
    jobs = shop.builds()
    assert len(jobs) == 2
    begun = [job["status"]["startTime"] for job in jobs]
    ended = [job["status"]["completionTime"] for job in jobs]
    assert max(begun) <= min(ended)
    objects = [*jobs, *shop.cluster.list("v1", "Pod", shop.namespace, labels="codexctl.io/image").items]
    assert len(objects) == 4 and "hunter2" not in json.dumps(objects)
    assert "hunter2" not in "".join(capfd.readouterr())
    assert shop.run("images", "build") == 0
    assert capfd.readouterr().out.count("the same content is there") == 2
    assert not [
        s for s in shop.cluster.list("v1", "Secret", shop.namespace).items if s["metadata"]["name"].startswith("build-")
    ]


def test_failed_build_shows_its_last_lines(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    text = (shop.root / "services.yaml").read_text().replace("npm-hunter2-token", "wrong-token-value")
    (shop.root / "services.yaml").write_text(text)
    assert shop.run("images", "build") == 1
    said = capfd.readouterr().err
    assert "image api" in said and "the build Job failed" in said and "BackoffLimitExceeded" in said
    assert shop.tags("web") and not shop.tags("api")


def test_build_of_a_killed_run_is_joined(shop: Shop) -> None:
    killed = subprocess.Popen([sys.executable, "-m", "codexctl_ci", "images", "build"], env=shop.environ())
    for change in shop.cluster.watch("batch/v1", "Job", shop.namespace, since="", timeout=timedelta(seconds=60)):
        if change.object["metadata"]["name"].startswith("build-api"):
            break
    killed.kill()
    killed.wait()
    begun = {job["metadata"]["uid"] for job in shop.builds()}
    assert shop.run("images", "build") == 0
    ended = {job["metadata"]["uid"] for job in shop.builds()}
    assert begun and begun <= ended and len(ended) == 2
