"""An agent on the runner itself (`codex.executor: runner`): its work is published from the slot, as a pod's is."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.cli.main import main
from sandbox.state import State
from tests.support.cluster import new_name
from tests.support.github_imitation import Shop, imitation, shop
from tests.support.kubectl import Kubectl
from tests.support.outputs import parse_outputs
from tests.support.responses_server import Fault, Model, Step, execute, say, serve

__all__ = ["imitation", "shop"]

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")
pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

# The kernel here forbids sandboxes inside this one: what remains is the user.
STACK = """
project: {project}
infrastructure:
  - name: storage
    manifests: [{{path: storage.yaml}}]
codex:
  executor: runner
  configBlocks:
    - name: model
      toml: |
        sandbox_mode = "danger-full-access"
        model_provider = "scripted"
        [model_providers.scripted]
        name = "scripted"
        base_url = "http://127.0.0.1:{port}/v1"
        wire_api = "responses"
"""
STORAGE = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {project}-workspace}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 10Mi}}}}}}
"""


@dataclass
class Desk:
    """A repository, its checkout, and a slot without any agent's pod."""

    shop: Shop
    project: str
    checkout: Path
    environ: dict[str, str]
    issue: int
    model: Model
    steps: list[Step]
    slot: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def call(self, *words: str, **variables: str) -> tuple[int, dict[str, str]]:
        """Exit code and outputs of a command."""
        out = self.checkout.parent / "out"
        out.unlink(missing_ok=True)
        environ = self.environ | {"GITHUB_OUTPUT": str(out)} | variables
        code = main([*words, "--config", str(self.checkout / "services.yaml")], environ)
        return code, parse_outputs(out.read_text()) if out.exists() else {}

    def agent(self, *commands: str, last: str = "Title: Work", **variables: str) -> str:
        """Let the agent run commands and say its last word (nothing: the model refuses then); how the run ended."""
        self.steps[:] = [*([execute(command)] for command in commands), [say(last)] if last else Fault(429, "no")]
        self.runs += 1
        given = {"CODEXCTL_KIND": "dev_issue", "CODEXCTL_RESUME": "true", "GITHUB_RUN_ID": str(self.runs)}
        code, self.outputs = self.call("prompt", "run", **(given | variables))
        assert code in (0, 1, 7)
        return self.outputs["conclusion"]

    def publish(self, command: str = "publish", **variables: str) -> tuple[int, dict[str, str]]:
        """Exit code and outputs of publishing what the last run left."""
        return self.call(
            "pr",
            command,
            **variables,
            CODEXCTL_CONCLUSION=self.outputs["conclusion"],
            CODEXCTL_FINAL_MESSAGE=self.outputs["final_message"],
        )

    @property
    def home(self) -> Path:
        """The agent's folder on this runner."""
        return Path(f"/var/lib/codexctl-ci/agents/{self.project}-ai-{self.slot['slot']}-{self.slot['epoch']}")

    def show(self, name: str) -> str:
        """A file of the issue's branch, as the server has it."""
        got = self.shop.writer.rest("GET", f"/repos/{self.shop.name}/contents/{name}?ref=codex/issue-{self.issue}")
        return base64.b64decode(got["content"]).decode()


def _step(steps: list[Step]) -> Any:
    def answer(body: dict[str, Any]) -> Any:
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        return step(body) if callable(step) else step

    return answer


@pytest.fixture
def desk(sandbox: State, admin: Kubectl, shop: Shop) -> Iterator[Desk]:
    # Another user must be able to reach Codex and its own folder.
    house = Path(tempfile.mkdtemp(prefix="runner-", dir="/var/tmp"))
    house.chmod(0o755)
    shutil.copytree(codex_cli_bin.bundled_package_dir(), house / "codex", copy_function=_link)
    project = new_name("p")
    steps: list[Step] = []
    with serve([_step(steps)]) as model:
        checkout = house / "checkout"
        files: dict[str, str | None] = {
            "services.yaml": STACK.format(project=project, port=model.port),
            "storage.yaml": STORAGE.format(project=project),
            "greet.txt": "Hello\n",
            ".gitignore": "*.log\n",
        }
        shop.owner.push_files(shop.name, "main", files, "Start")
        url = f"{shop.github.url}/{shop.name}.git".replace("://", f"://x:{shop.owner.token}@")
        subprocess.run(["git", "clone", "-q", url, str(checkout)], check=True)
        environ = {
            "PATH": f"{house}/codex/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(house),
            "CODEXCTL_KUBECONFIG": str(sandbox.kubeconfig),
            "CODEXCTL_REPO": shop.name,
            "CODEXCTL_GH_PAT": shop.writer.token,
            "CODEXCTL_SYNC_IMAGE": f"{sandbox.registry}/library/busybox:1.37.0",
            "GITHUB_API_URL": f"{shop.github.url}/api/v3",
            "GITHUB_SERVER_URL": shop.github.url,
        }
        issue = shop.owner.issue(shop.name, "Greet in French", "Please")
        environ["CODEXCTL_ISSUE_NUMBER"] = str(issue)
        made = Desk(shop, project, checkout, environ, issue, model, steps, {})
        admin("create", "namespace", f"{project}-ai-staging")
        code, made.slot = made.call("ci", "ensure-ready", "--apply", "--source", str(checkout))
        assert code == 0
        yield made
    for namespace in (made.slot["namespace"], f"{project}-ai-staging"):
        admin("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
    for folder in (house, made.home):
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_work_is_published_as_from_a_pod_and_taken_up_again(desk: Desk) -> None:
    change = (
        "echo Bonjour > greet.txt; mkdir d; echo new > 'd/n w.txt'; echo x > noise.log; git log --oneline > /dev/null"
    )
    assert desk.agent(change, last="Title: Greet in French\n\nDone.") == "changed"
    code, published = desk.publish()
    assert (code, published["conclusion"], published["branch"]) == (0, "changed", f"codex/issue-{desk.issue}")
    assert (
        published["pr_number"]
        and desk.show("greet.txt") == "Bonjour\n"
        and desk.show("d/n w.txt".replace(" ", "%20")) == "new\n"
    )
    assert desk.agent(last="No change: it is done") == "no_change"
    # On another runner, whose disk knows nothing: the slot has it all.
    shutil.rmtree(desk.home)
    assert desk.agent("cat greet.txt > seen.txt; rm -r d; ln -s greet.txt d") == "changed"
    assert desk.publish()[1]["conclusion"] == "changed"
    assert desk.show("seen.txt") == "Bonjour\n"
    number = published["pr_number"]
    desk.shop.owner.review(desk.shop.name, int(number), "REQUEST_CHANGES", "Salut, please")
    review = {"CODEXCTL_KIND": "dev_review", "CODEXCTL_PR_NUMBER": number}
    assert desk.agent("echo Salut > greet.txt", **review) == "changed"
    code, applied = desk.publish("review-apply", CODEXCTL_PR_NUMBER=number)
    assert (code, applied["conclusion"], applied["pr_number"]) == (0, "changed", number)
    assert desk.show("greet.txt") == "Salut\n"


def test_run_that_fails_leaves_its_work_in_the_slot_and_rules_hold(desk: Desk) -> None:
    assert desk.agent("echo half > half.txt", last="") == "agent_error"
    assert desk.publish()[0] == 7
    # A plan's files are thrown away; what an earlier run left is not.
    assert desk.agent("echo plan > plan.txt", CODEXCTL_KIND="plan_issue") == "changed"
    shutil.rmtree(desk.home)
    assert desk.agent("mkdir -p .github/workflows; echo 'on: push' > .github/workflows/x.yml") == "changed"
    code, blocked = desk.publish()
    assert (code, blocked["conclusion"]) == (6, "blocked")
    assert desk.agent("rm -r .github; test ! -e plan.txt && echo whole >> half.txt") == "changed"
    assert desk.publish()[0] == 0 and desk.show("half.txt") == "half\nwhole\n"


def test_work_that_fits_no_repository_stays_on_the_runner_until_it_does(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    assert desk.agent("echo work > work.txt; mkfifo pipe") == "infra_error"
    told = capfd.readouterr().err
    assert "still on the runner" in told and "pipe: neither a file nor a link" in told
    assert desk.agent("rm pipe") == "changed"
    assert desk.publish()[0] == 0 and desk.show("work.txt") == "work\n"
