"""What `init` writes for a repository comes up as it was written: nothing is asked, nothing changed by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from sandbox.state import State
from tests.support.cluster import new_name
from tests.support.kubectl import Kubectl
from tests.support.projects import write_files

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

WEB = """
FROM {registry}/library/debian:bookworm
WORKDIR /site
COPY . .
EXPOSE 8080
CMD ["python3", "-m", "http.server", "8080"]
"""
COMPOSE = """
services:
  db:
    image: {registry}/library/postgres:15
    environment:
      POSTGRES_PASSWORD: of-the-developers-machine
    volumes: ["data:/var/lib/postgresql/data"]
  web:
    build: ./web
    ports: ["8080:8080"]
    environment:
      - GREETING=hello
    depends_on: [db]
  worker:
    build: ./web
    command: sleep infinity
volumes: {{data: {{}}}}
"""
SHAPES: dict[str, tuple[dict[str, str], set[str]]] = {
    "a compose file": (
        {"docker-compose.yml": COMPOSE, "web/Dockerfile": WEB, "web/page": "hi\n"},
        {"db", "web", "worker"},
    ),
    "several Dockerfiles": (
        {"Dockerfile": WEB, "docker/mail.Dockerfile": WEB, "page": "hi\n"},
        {"{project}", "mail"},
    ),
}
"""The repository's files, and the services that come of them."""


@pytest.fixture
def project(admin: Kubectl) -> Iterator[str]:
    name = new_name("first")
    admin("create", "namespace", f"{name}-ai-staging")
    yield name
    for env in ("ai-staging", "dev-1"):
        admin("delete", "namespace", f"{name}-{env}", "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize("shape", SHAPES)
def test_slot_of_a_repository_comes_up_after_init(
    sandbox: State, admin: Kubectl, project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    files, services = SHAPES[shape]
    folder = write_files(
        tmp_path / "clone", {path: text.format(registry=sandbox.registry) for path, text in files.items()}
    )

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words], cwd=folder, check=True)

    git("init", "-q")
    git("remote", "add", "origin", f"https://github.com/acme/{project}.git")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CODEXCTL_CONFIG": str(folder / "services.yaml"),
        # As of the repository's variables and secrets, by the checklist.
        "CODEXCTL_REGISTRY_HOST": sandbox.registry,
        "CODEX_IMAGE": f"{sandbox.registry}/codexctl-ci/codex:latest",
        "CODEXCTL_TEMPLATE_SECRETS": "POSTGRES_PASSWORD=given",
        # As of the runner.
        "KUBECONFIG": str(sandbox.kubeconfig),
        "CODEXCTL_CONTEXT": "sandbox",
        "CODEXCTL_SOURCE": str(folder),
        "CODEXCTL_KANIKO_INSECURE": "true",
        "CODEXCTL_KANIKO_EXECUTOR": str(sandbox.kaniko_executor),
        "SANDBOX_KANIKO_STORAGE": str(sandbox.kaniko_storage),
        "CODEXCTL_SYNC_IMAGE": f"{sandbox.registry}/library/busybox:1.37.0",
        "GITHUB_RUN_ID": "1",
    }
    assert main(["init"], environ) == 0
    git("add", "-A")
    git("commit", "-q", "-m", "Begin")
    words = ["ci", "ensure-ready", "--env", "ai", "--slot", "1", "--prepare-images", "--apply"]
    code = main(words, environ)
    said = capsys.readouterr()
    assert code == 0, f"{said.err}\n{said.out}"
    slot = admin.within(f"{project}-dev-1")
    found = slot.get("deployments")["items"]
    names = {name.format(project=project) for name in services} | {"codex"}
    assert {item["metadata"]["name"]: item["status"].get("availableReplicas", 0) for item in found} == dict.fromkeys(
        names, 1
    )
    site = slot.get("ingress")["items"][0]["spec"]["rules"][0]
    assert site["host"] == f"dev-1.{project}.localhost"
    # The agent reaches the site by the name that its services have, and has the sources before it.
    name = site["http"]["paths"][0]["backend"]["service"]["name"]
    assert slot("exec", "deployment/codex", "--", "curl", "-sf", f"http://{name}:8080/page") == "hi\n"
    assert "project:" in slot("exec", "deployment/codex", "--", "cat", "/workspace/services.yaml")
