"""What a team copies comes up in every environment, by the commands that the workflows call."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from sandbox.state import State
from tests.support.cluster import new_name
from tests.support.kubectl import Kubectl

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).parents[2] / "examples"
SLOT = "2"
# As the workflows of a repair filter the stack.
REPAIR = {"CODEXCTL_ONLY_INFRA": "codex-ai-repair-rbac", "CODEXCTL_ONLY_SERVICES": "codex"}
VARIABLES = {
    "project-example": {
        "PANTRY_POSTGRES_IMAGE": "{registry}/library/postgres",
        "PANTRY_POSTGRES_VERSION": "15",
        "PANTRY_PYTHON_IMAGE": "{registry}/library/debian",
        "PANTRY_PYTHON_VERSION": "bookworm",
        "PANTRY_CODEX_IMAGE": "{registry}/codexctl-ci/codex",
    }
}
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.cert-manager.io}}
spec:
  group: cert-manager.io
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
# cert-manager's own chart adds its kinds to the built-in role `admin` in this way.
CERTIFICATES_FOR_ADMINS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {
        "name": "cert-manager-edit",
        "labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"},
    },
    "rules": [{"apiGroups": ["cert-manager.io"], "resources": ["certificates"], "verbs": ["*"]}],
}

Run = Callable[..., None]


def copied(example: str, project: str, folder: Path, registry: str) -> Path:
    """A clone's worth of the example under another project's name, with images of the sandbox's registry."""
    shutil.copytree(EXAMPLES / example, folder)
    (own,) = [
        line.split()[1] for line in (folder / "services.yaml").read_text().splitlines() if line.startswith("project:")
    ]
    for file in (path for path in folder.rglob("*") if path.is_file() and ".github" not in path.parts):
        text = file.read_text()
        text = text.replace("docker.io/library/python:3.13-slim", f"{registry}/library/debian:bookworm")
        text = text.replace("docker.io/", f"{registry}/")
        text = text.replace("ghcr.io/openai/codex-universal:latest", f"{registry}/codexctl-ci/codex:latest")
        # The name stands in pantry's code too, and only there does it mean something else.
        file.write_text(text.replace(own, project) if own == "helpdesk" else text)
    services = folder / "services.yaml"
    services.write_text(services.read_text().replace(f"project: {own}\n", f"project: {project}\n"))
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words], cwd=folder, check=True)
    return folder


@pytest.fixture(params=["minimal", "project-example", "go-templates"])
def example(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project(admin: Kubectl, example: str) -> Iterator[str]:
    """A name that no other test has; its namespaces go afterwards."""
    name = new_name("shown")
    admin("create", "namespace", f"{name}-ai-staging")
    yield name
    for env in ("dev", "ai-staging", f"dev-{SLOT}"):
        admin("delete", "namespace", f"{name}-{env}", "--wait=false", "--ignore-not-found")


@pytest.fixture
def ready(sandbox: State, example: str, project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Makes an environment of the example ready, and fails the test with what was said where it isn't."""
    folder = copied(example, project, tmp_path / "project", sandbox.registry)
    around = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": str(sandbox.kubeconfig),
        "CODEXCTL_CONTEXT": "sandbox",
        "CODEXCTL_CONFIG": str(folder / "services.yaml"),
        "CODEXCTL_SOURCE": str(folder),
        "CODEXCTL_REGISTRY_HOST": sandbox.registry,
        "CODEXCTL_KANIKO_INSECURE": "true",
        "CODEXCTL_KANIKO_EXECUTOR": str(sandbox.kaniko_executor),
        "CODEXCTL_SYNC_IMAGE": f"{sandbox.registry}/library/busybox:1.37.0",
        "CODEXCTL_PREPARE_IMAGES": "true",
        "CODEXCTL_APPLY": "true",
        "SANDBOX_KANIKO_STORAGE": str(sandbox.kaniko_storage),
        "GITHUB_RUN_ID": "1",
    }
    around |= {name: value.format(registry=sandbox.registry) for name, value in VARIABLES.get(example, {}).items()}

    def run(env: str, **more: str) -> None:
        code = main(["ci", "ensure-ready", "--env", env], around | more)
        said = capsys.readouterr()
        assert code == 0, f"{env}:\n{said.err}\n{said.out}"

    return run


@pytest.fixture
def surroundings(sandbox: State, example: str, project: str, admin: Kubectl) -> None:
    """What the example in Go templates expects: an image of Redis, cert-manager's kinds, an earlier certificate."""
    if example != "go-templates":
        return
    redis = ["--entrypoint", "nc,-ll,-p,6379,-e,/bin/cat", "-t", f"{sandbox.registry}/library/redis:7.4.1"]
    subprocess.run(["crane", "mutate", "--insecure", f"{sandbox.registry}/library/busybox:1.37.0", *redis], check=True)
    for kind, scope in (("ClusterIssuer", "Cluster"), ("Certificate", "Namespaced")):
        singular = kind.lower()
        admin(
            "apply",
            "-f",
            "-",
            stdin=CRD.format(kind=kind, plural=f"{singular}s", singular=singular, scope=scope),
        )
        admin.wait(f"crd/{singular}s.cert-manager.io", "condition=Established")
    admin.apply(CERTIFICATES_FOR_ADMINS)
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
    metadata = {"name": f"{project}-dev-{SLOT}-tls"}
    data = {"tls.crt": "eA==", "tls.key": "eA=="}
    admin.within(f"{project}-ai-staging").apply(secret | {"metadata": metadata, "data": data})


def available(kubectl: Kubectl) -> dict[str, int]:
    found = kubectl.get("deployments,statefulsets")["items"]
    return {item["metadata"]["name"]: item["status"].get("availableReplicas", 0) for item in found}


SERVICES = {
    "minimal": {"web": 1},
    "project-example": {"postgres": 1, "api": 1, "web": 1},
    "go-templates": {"redis": 1, "backend": 1},
}


@pytest.mark.usefixtures("surroundings")
def test_example_comes_up_in_every_environment(example: str, project: str, ready: Run, admin: Kubectl) -> None:
    services, twice = SERVICES[example], {"backend": 2} if example == "go-templates" else {}
    ready("dev")
    assert available(admin.within(f"{project}-dev")) == services
    ready("ai-staging")
    assert available(admin.within(f"{project}-ai-staging")) == services | twice
    ready("ai", CODEXCTL_SLOT=SLOT)
    slot = admin.within(f"{project}-dev-{SLOT}")
    assert available(slot) == services | {"codex": 1}
    # The agent's pod sees the sources that were synced.
    assert "project:" in slot("exec", "deployment/codex", "--", "cat", "/workspace/services.yaml")
    ready("ai-repair", CODEXCTL_SLOT="1", **REPAIR)
    staging = admin.within(f"{project}-ai-staging")
    assert available(staging) == services | twice | {"codex": 1}
