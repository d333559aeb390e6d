"""A slot of the shipped example with its agent's pod, and credentials all around it.

Planted are: the runner's process and checkout, the pull secret of the slot's images, the model's proxy. The stack is
deployed by our own commands, with the runner's own account.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from codexctl_ci.cli.main import main
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from sandbox.demo.setting import write_kubeconfig
from sandbox.github.client import GitHub
from sandbox.github.server import GitHubServer
from sandbox.state import State
from tests.support.cluster import new_name
from tests.support.kubectl import Kubectl
from tests.support.outputs import parse_outputs
from tests.support.responses_server import Item, Model, execute, say, serve
from tests.support.runner_account import EXAMPLE, shipped_runner

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL_KEY = "sk-proj-planted0123456789abcdefghijklmn"
REGISTRY_PASSWORD = "Registry-Passw0rd-planted"
RUNTIME_TOKEN = "runtime-planted-0123456789"


@dataclass
class Scene:
    """A slot of the example with its agent's pod. ``secrets``: what was planted outside of it, by name."""

    state: State
    admin: Kubectl
    folder: Path
    environ: dict[str, str]
    secrets: dict[str, str]
    model: Model
    orders: list[str]
    slot: dict[str, str] = field(default_factory=dict)
    project: str = ""

    @property
    def inside(self) -> Kubectl:
        return self.admin.within(self.slot["namespace"])

    def call(self, *words: str, **variables: str) -> dict[str, str]:
        """Outputs of a command that must succeed."""
        out = self.folder / "out"
        out.unlink(missing_ok=True)
        config = self.folder / "checkout" / "services.yaml"
        environ = self.environ | {"GITHUB_OUTPUT": str(out)} | variables
        assert main([*words, "--config", str(config)], environ) == 0
        return parse_outputs(out.read_text()) if out.exists() else {}

    def agent_does(self, command: str) -> None:
        """Let the agent run a command in its pod."""
        self.orders[:] = [command]
        ended = self.call(
            "prompt",
            "run",
            CODEXCTL_KIND="dev_issue",
            CODEXCTL_ISSUE_NUMBER=self.environ["ISSUE"],
            GITHUB_RUN_ID=str(len(self.model.requests) + 1),
        )
        assert ended["conclusion"] in ("changed", "no_change")

    def shell(self, script: str, target: str = "deployment/codex") -> str:
        return self.inside("exec", target, "-c", "codex", "--", "sh", "-c", script)


def _orders(orders: list[str]) -> Any:
    """The model's part: the command in ``orders``, then waiting until it is over, but not for ever."""
    state = {"order": 0, "waits": 0}

    def answer(body: dict[str, Any]) -> list[Item]:
        if orders:
            state.update(order=state["order"] + 1, waits=20)
            return [execute(f"({orders.pop()}) >/tmp/order.log 2>&1; : >/tmp/order.{state['order']}")]
        state["waits"] -= 1
        if "ORDER-OVER" in json.dumps(body["input"][-1]) or state["waits"] < 0:
            return [say("No change: looked around")]
        # The words of the answer stand in no command, or they would be taken for the answer.
        over = f"[ -f /tmp/order.{state['order']} ] && printf 'ORDER-%s' OVER && exit"
        return [execute(f"for i in $(seq 40); do {over}; sleep 0.2; done", f"call_{len(str(body))}")]

    return answer


def _checkout(folder: Path, project: str, registry: str, token: str) -> Path:
    """The example as the runner has it checked out, by an action that leaves the token in git's configuration."""
    shutil.copytree(EXAMPLES / "project-example", folder)
    file = folder / "services.yaml"
    own = file.read_text().replace(f"project: {EXAMPLE}", f"project: {project}")
    file.write_text(own.replace("{{ registry }}/pantry/codex", "{{ registry }}/codexctl-ci/codex"))
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base"],
        ["config", "http.https://github.com/.extraheader", f"AUTHORIZATION: basic {basic}"],
        ["remote", "add", "origin", f"https://x-access-token:{token}@github.com/acme/{project}.git"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def _model_proxy(admin: Kubectl, namespace: str, upstream: str) -> None:
    """The shipped proxy in a namespace of its own, with the model's key."""
    text = (EXAMPLES / "cluster" / "model-proxy.yaml").read_text().replace("codex-model", namespace)
    objects = [item for item in yaml.safe_load_all(text) if item]
    for item in objects:
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "model-upstream":
            item["data"] = {"url": upstream}
    admin.apply(objects[0])
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "model-key", "namespace": namespace}}
    for item in (key | {"stringData": {"key": MODEL_KEY}}, *objects[1:]):
        admin.within(namespace).apply(item)


@pytest.fixture(scope="module")
def credential_scene(sandbox: State, admin: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, project = tmp_path_factory.mktemp("credentials"), new_name("p")
    server = GitHubServer("127.0.0.1", 0, folder / "github").run_in_thread()
    github = GitHub(server.url, server.control_token)
    owner = github.person("alice")
    repository = github.repository("alice", project)
    checkout = _checkout(folder / "checkout", project, sandbox.registry, owner.token)
    owner.push_folder(repository, checkout)
    cluster = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)))
    orders: list[str] = []
    with shipped_runner(cluster, project) as runner, serve([_orders(orders)], sandbox.node_address) as model:
        proxy = f"model-{project}"
        _model_proxy(admin, proxy, f"http://{sandbox.node_address}:{model.port}")
        secrets = {
            "the personal token": owner.token,
            "the runner's token": str(runner.connection.token),
            "the runtime's token": RUNTIME_TOKEN,
            "the registry's password": REGISTRY_PASSWORD,
            "the model's key": MODEL_KEY,
        }
        environ = {
            "PATH": "/usr/bin:/bin",
            "ISSUE": str(owner.issue(repository, "Look around", "Please")),
            "CODEXCTL_KUBECONFIG": str(write_kubeconfig(folder / "kubeconfig", sandbox, str(runner.connection.token))),
            "CODEXCTL_REPO": repository,
            "CODEXCTL_GH_PAT": owner.token,
            "GITHUB_TOKEN": owner.token,
            "ACTIONS_RUNTIME_TOKEN": RUNTIME_TOKEN,
            "OPENAI_API_KEY": MODEL_KEY,
            "GITHUB_API_URL": f"{server.url}/api/v3",
            "CODEXCTL_REGISTRY_HOST": sandbox.registry,
            "CODEXCTL_SYNC_IMAGE": f"{sandbox.registry}/library/busybox:1.37.0",
            "PANTRY_MODEL_NAMESPACE": proxy,
            "PANTRY_MODEL_URL": f"http://model-proxy.{proxy}.svc.cluster.local:8080/v1",
        }
        made = Scene(sandbox, admin, folder, environ, secrets, model, orders, project=project)
        made.slot = made.call("ci", "ensure-slot", "--issue", environ["ISSUE"])
        environ |= {"CODEXCTL_SLOT": made.slot["slot"], "CODEXCTL_EPOCH": made.slot["epoch"]}
        _pull_secret(made)
        made.call(
            "ci",
            "ensure-ready",
            "--apply",
            "--source",
            str(checkout),
            "--only-infra",
            "storage,codex-rbac,network",
            "--only-services",
            "codex",
        )
        admin.within(proxy).wait("deployment/model-proxy", "condition=Available")
        yield made
        for name in (made.slot["namespace"], proxy):
            admin("delete", "namespace", name, "--wait=false")
    server.shutdown()
    server.server_close()


def _pull_secret(scene: Scene) -> None:
    """The slot's images come with a password, as many teams' do."""
    auth = base64.b64encode(f"puller:{REGISTRY_PASSWORD}".encode()).decode()
    config = {"auths": {"registry.example": {"auth": auth}}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(config)},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "codex"}}
    scene.inside.apply(secret)
    scene.inside(
        "apply",
        "--server-side",
        "--field-manager=team",
        "-f",
        "-",
        stdin=json.dumps(account | {"imagePullSecrets": [{"name": "pull"}]}),
    )
