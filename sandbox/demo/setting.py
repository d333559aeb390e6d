"""The stage: what an operator and a team set up once, before the first issue is labelled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox.demo.look import kubectl, until
from sandbox.github.client import GitHub, Person
from sandbox.runner.client import Runner
from sandbox.state import State

OURS = "codexctl-ci/codexctl-ci"
PROJECT = "pantry"
TEAM = "acme"
RUNNER_NAMESPACE, RUNNER_ACCOUNT = f"{PROJECT}-runners", f"{PROJECT}-runner"
MODEL_PORT, RUNNER_PORT = 8091, 8092
MODEL_KEY = "sk-sandbox-0123456789abcdefghij"


@dataclass(frozen=True)
class Stage:
    """Everybody and everything in the demo."""

    state: State
    github: GitHub
    runner: Runner
    repository: str
    owner: Person
    writer: Person
    bot: Person
    timings: Path


def install_operator_files(tree: Path, state: State, folder: Path) -> Path:
    """Apply what ships for operators, as the administrator; return the kubeconfig of the runner's own account."""
    model = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "codex-model"}}
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "model-key", "namespace": "codex-model"}}
    objects = [model, key | {"stringData": {"key": MODEL_KEY}}]
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
    upstream = {"url": f"http://{state.node_address}:{MODEL_PORT}"}
    # The account and its namespace come first.
    for file in sorted((tree / "examples" / "cluster").glob("*.yaml"), key=lambda file: file.name != "runner.yaml"):
        documents = [document for document in yaml.safe_load_all(file.read_text()) if "kind" in (document or {})]
        if not documents:
            continue  # values of a chart
        for document in documents:
            if document["kind"] == "ConfigMap" and document["metadata"]["name"] == "model-upstream":
                document["data"] = upstream
        kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(documents))
    token = kubectl("-n", RUNNER_NAMESPACE, "create", "token", RUNNER_ACCOUNT, "--duration=4h").strip()
    return write_kubeconfig(folder / "runner.kubeconfig", state, token)


def write_kubeconfig(file: Path, state: State, token: str) -> Path:
    """A kubeconfig with one account's token, readable by its owner alone."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": state.api_server, "certificate-authority": str(state.authority)}}
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    return file


@contextmanager
def processes(
    tree: Path, state: State, folder: Path, kubeconfig: Path, timings: Path, *, keep: bool
) -> Iterator[Runner]:
    """The demo's model and its runner, for the body of a ``with``; with ``keep`` until the sandbox ends."""
    keys = folder / "model-keys"
    keys.touch(mode=0o600)
    keys.write_text(MODEL_KEY + "\n")
    steps = folder / "steps.json"
    steps.write_text(
        json.dumps(
            {
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "KUBECONFIG": str(kubeconfig),
                "CODEXCTL_PYTHON": sys.executable,
                "CODEXCTL_TOOL_CACHE": os.environ["CODEXCTL_TOOL_CACHE"],
                "CODEXCTL_TIMINGS": str(timings),
                "SANDBOX_KANIKO_STORAGE": str(state.kaniko_storage),
            }
        )
    )
    model = [sys.executable, "-m", "sandbox.model", "--listen", f"{state.node_address}:{MODEL_PORT}"]
    model += ["--state", str(folder / "model"), "--key-file", str(keys)]
    model += ["--playbooks", str(Path(__file__).with_name("playbooks.yaml"))]
    runner = [sys.executable, "-m", "sandbox.runner", "--listen", f"{state.node_address}:{RUNNER_PORT}"]
    runner += ["--state", str(folder / "runner"), "--github", str(state.github_state)]
    runner += ["--act", str(Path(sys.executable).parent / "act")]
    runner += ["--repository", f"{OURS}={folder / 'tool'}", "--environment", str(steps)]
    started = []
    try:
        for name, words in (("model", model), ("runner", runner)):
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        words, cwd=tree, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                    )
                )
            address = folder / name / "address.json"
            until(address.exists, f"{name} answers; see {folder / name}.log")
        yield Runner.from_state(folder / "runner", GitHub.from_state(state.github_state))
    finally:
        for process in reversed(started if not keep else []):
            process.terminate()
        for process in started if not keep else []:
            process.wait(20)


def create_repository(tree: Path, stage_folder: Path, state: State, runner: Runner, timings: Path) -> Stage:
    """The team's repository with its people, variables and secrets, and ours beside it."""
    github = GitHub.from_state(state.github_state)
    owner, writer, bot = (github.person(name) for name in ("olga", "walt", "codex-bot"))
    github.person("github-actions[bot]", type="Bot")
    team = github.person(TEAM)
    ours = github.person("codexctl-ci")
    github.repository("codexctl-ci", "codexctl-ci", private=False)
    ours.push_folder(OURS, stage_folder / "tool", branch="v1")
    people = {"olga": "admin", "walt": "write", "codex-bot": "write"}
    repository = github.repository(TEAM, PROJECT, private=True, collaborators=people)
    github.settings(
        repository,
        secrets={"CODEXCTL_GH_PAT": bot.token, "OPENAI_API_KEY": MODEL_KEY},
        variables={
            "CODEXCTL_REGISTRY_HOST": state.registry,
            "CODEXCTL_BASE_DOMAIN_AI": "pantry.sandbox",
            "CODEXCTL_BASE_DOMAIN_AI_STAGING": "staging.pantry.sandbox",
            "CODEXCTL_KANIKO_EXECUTOR": str(state.kaniko_executor),
            "CODEXCTL_SYNC_IMAGE": f"{state.registry}/library/busybox:1.37.0",
            "CODEXCTL_GH_USERNAME": "codex-bot",
            "CODEXCTL_GH_EMAIL": "codex-bot@users.noreply.github.sandbox",
            "PANTRY_POSTGRES_IMAGE": f"{state.registry}/library/postgres",
            "PANTRY_POSTGRES_VERSION": "15",
            "PANTRY_PYTHON_IMAGE": f"{state.registry}/library/debian",
            "PANTRY_PYTHON_VERSION": "bookworm",
            "PANTRY_CODEX_IMAGE": f"{state.registry}/codexctl-ci/codex",
        },
    )
    # Staging is not what is shown here.
    team.push_folder(repository, tree / "examples" / "project-example", message="Start [skip ci]")
    return Stage(state, github, runner, repository, owner, writer, bot, timings)
