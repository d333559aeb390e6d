"""A team's repository with eight wrappers as projects of the older tool have them, and all that workflows meet.

GitHub's imitation, the model and the runner live in this process; cluster and registry are the sandbox's. Project,
account of the runner and records are this stage's own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from sandbox.demo.look import kubectl, objects, until
from sandbox.demo.setting import write_kubeconfig
from sandbox.github.client import GitHub, Person
from sandbox.github.server import GitHubServer
from sandbox.model.client import Model
from sandbox.model.playbooks import load
from sandbox.model.server import ModelServer
from sandbox.runner.client import Runner
from sandbox.runner.records import Records
from sandbox.runner.server import RunnerServer
from sandbox.runner.service import RunnerService, RunnerSettings
from sandbox.state import State
from tests.support.runner_account import shipped_runner

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OURS = "codexctl-ci/codexctl-ci"
PROJECT = "shelf"
STAGING = f"{PROJECT}-ai-staging"
MODEL_KEY = "sk-sandbox-0123456789abcdefghij"
SHELF = HERE / "shelf"
LIMIT = timedelta(minutes=4)
TIMINGS = "timings.jsonl"

TRIGGERS = {
    "ai_staging_deploy": {"push": {"branches": ["main"]}},
    "ai_plan_issue": {"issues": {"types": ["labeled"]}},
    "ai_plan_review": {"issue_comment": {"types": ["created"]}},
    "ai_dev_issue": {"issues": {"types": ["labeled"]}},
    "ai_pr_review": {"pull_request_review": {"types": ["submitted"]}},
    "ai_repair_issue": {"issues": {"types": ["labeled"]}},
    "ai_repair_pr_review": {"pull_request_review": {"types": ["submitted"]}},
    "ai_cleanup": {"issues": {"types": ["closed"]}, "pull_request": {"types": ["closed"]}},
}
"""What the wrappers of existing projects are triggered by."""


def wrapper(name: str) -> str:
    """A wrapper as existing projects hold it: a trigger, one job, no inputs. Only the owner in ``uses:`` is ours."""
    job = {"uses": f"{OURS}/.github/workflows/{name}.yml@v1", "secrets": "inherit"}
    return yaml.safe_dump({"name": name, "on": TRIGGERS[name], "jobs": {name: job}}, sort_keys=False)


@dataclass(frozen=True)
class Ended:
    """A workflow's run that is over: ``jobs`` are those of the called workflow, by name.

    ``codes`` holds the exit codes of our commands in each job, in their order.
    """

    id: int
    conclusion: str
    codes: dict[str, list[int]]
    jobs: dict[str, str]
    summary: str
    annotations: list[dict[str, str]]
    log: str

    def __str__(self) -> str:
        """What steps said and which failed."""
        told = [line for line in self.log.splitlines() if "  | " in line or "\u274c" in line or "Error" in line]
        return "\n".join([f"{self.conclusion}: {self.jobs}", *told[-60:]])

    @property
    def ran(self) -> dict[str, str]:
        """Jobs that did something, and how they ended."""
        return {name: how for name, how in self.jobs.items() if how != "skipped"}

    def told(self, job: str, output: str) -> str:
        """What the last step of a job that gave this output gave, empty where none did."""
        found = re.findall(rf"/{re.escape(job)} *\][^|\n]*::set-output:: {output}=(.*)", self.log)
        return str(found[-1]) if found else ""


@dataclass(frozen=True)
class WorkflowStage:
    """Everybody and everything. ``repository`` is the team's."""

    github: GitHub
    runner: Runner
    model: Model
    repository: str
    timings: Path
    owner: Person
    writer: Person
    reader: Person
    bot: Person

    def issue(self, title: str, body: str = "", label: str = "") -> int:
        """A writer opens an issue, and labels it in a second step."""
        number = self.writer.issue(self.repository, title, body)
        if label:
            self.writer.label(self.repository, number, label)
        return number

    def ended(self, event: str, action: str = "", number: int | None = None) -> dict[str, Ended]:
        """Every run of the newest such event, by workflow, when all of them are over."""
        return {self._name(run): self._ended(run) for run in self.runner.wait_for(event, action, number, LIMIT)}

    def rerun(self, run: Ended) -> Ended:
        """The same run, once more."""
        (again,) = self.runner.wait(self.runner.rerun(run.id, self.writer.login), LIMIT)
        return self._ended(again)

    def started(self, event: str, action: str, number: int, workflow: str, sign: str) -> int:
        """The id of a workflow's run in whose log ``sign`` stands by now."""
        delivery = self.runner.delivery(event, action, number)

        def found() -> int:
            for run in self.runner.runs():
                if run["delivery"] == delivery and self._name(run) == workflow:
                    return int(run["id"]) if sign in self.runner.log(run["id"]) else 0
            return 0

        return until(found, f"{workflow} says {sign!r}", LIMIT)

    def comments(self, number: int) -> list[str]:
        """Texts of the comments on an issue or a pull request."""
        return [str(item["body"]) for item in self.owner.comments(self.repository, number)]

    def answers(self, number: int) -> list[str]:
        """Those of them that are the bot's."""
        found = self.owner.comments(self.repository, number)
        return [str(item["body"]) for item in found if item["user"]["login"] == self.bot.login]

    def pull_of(self, branch: str) -> dict[str, Any]:
        """The only open pull request of a branch."""
        (pull,) = [item for item in self.owner.pulls(self.repository) if item["head"]["ref"] == branch]
        return dict(pull)

    def threads(self, words: str) -> set[str]:
        """Threads of the model whose prompts hold ``words``."""
        return {item["thread"] for item in self.model.requests() if words in item["prompt"]}

    def _codes(self, run: int) -> dict[str, list[int]]:
        codes: dict[str, list[int]] = {}
        for line in map(json.loads, self.timings.read_text().splitlines()):
            if line["run"] == str(run):
                codes.setdefault(line["job"], []).append(line["code"])
        return codes

    @staticmethod
    def _name(run: dict[str, Any]) -> str:
        return str(run["workflow"]).removesuffix(".yml")

    def _ended(self, run: dict[str, Any]) -> Ended:
        jobs = {name.rpartition("/")[2].strip(): how for name, how in run["jobs"].items()}
        log = self.runner.log(run["id"])
        codes = self._codes(run["id"])
        return Ended(run["id"], run["conclusion"], codes, jobs, run["summary"], run["annotations"], log)


def slots() -> list[str]:
    """Namespaces of slots that are there."""
    names = (space["metadata"]["name"] for space in objects("namespaces"))
    return sorted(name for name in names if name.startswith(f"{PROJECT}-dev-"))


@contextmanager
def open_stage(sandbox: State, folder: Path, more: dict[str, str] | None = None) -> Iterator[WorkflowStage]:
    """Set everything up; staging's first deploy is under way then. ``more`` are further files of the repository."""
    with ExitStack() as stack:
        github_server = _served(stack, GitHubServer("127.0.0.1", 0, folder / "github").run_in_thread())
        github = GitHub(github_server.url, github_server.control_token)
        playbooks = [*load(ROOT / "sandbox" / "model" / "playbooks.yaml"), *load(HERE / "shelf-playbooks.yaml")]
        model_server = ModelServer(sandbox.node_address, 0, [MODEL_KEY], playbooks).run_in_thread()
        _served(stack, model_server)
        admin = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)), cache_dir=folder / "discovery")
        account = stack.enter_context(shipped_runner(admin, PROJECT))
        stack.callback(_remove_slots)
        runner = _open_runner(stack, sandbox, folder, github, account.connection.token)
        model = Model(model_server.url, model_server.control_token)
        yield _create_repository(sandbox, folder, github, runner, model, more or {})
        assert github.violations() == []


def _remove_slots() -> None:
    for name in slots():
        kubectl("delete", "namespace", name, "--wait=false")


def _served(stack: ExitStack, server: Any) -> Any:
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return server


def _open_runner(stack: ExitStack, sandbox: State, folder: Path, github: GitHub, token: str) -> Runner:
    tool = copy_of_ours(folder / "tool")
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "KUBECONFIG": str(write_kubeconfig(folder / "runner.kubeconfig", sandbox, token)),
        "CODEXCTL_PYTHON": sys.executable,
        "CODEXCTL_TOOL_CACHE": str(folder / "tools"),
        "CODEXCTL_TIMINGS": str(folder / TIMINGS),
        "SANDBOX_KANIKO_STORAGE": str(sandbox.kaniko_storage),
    }
    # What the first of many jobs would install at once is installed beforehand.
    subprocess.run([str(tool / "actions" / "codexctl-ci"), "--version"], env=os.environ | environment, check=True)
    act = Path(sys.executable).parent / "act"
    settings = RunnerSettings(act, folder / "runner", environment, {OURS: tool})
    service = RunnerService(settings, github, Records(settings.folder))
    server = _served(stack, RunnerServer("127.0.0.1", 0, service, "door").run_in_thread())
    stack.callback(service.stop)
    github.hook(f"{server.url}/hook")
    return Runner(server.url, "door", github)


def copy_of_ours(tool: Path) -> Path:
    """Our own repository as a runner finds it."""
    for name in ("actions", "codexctl_ci", "requirements", ".github"):
        shutil.copytree(ROOT / name, tool / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "action.yml", tool / "action.yml")
    return tool


def _create_repository(
    sandbox: State, folder: Path, github: GitHub, runner: Runner, model: Model, more: dict[str, str]
) -> WorkflowStage:
    owner, writer, reader, bot = (github.person(name) for name in ("olga", "walt", "rita", "codex-bot"))
    github.person("github-actions[bot]", type="Bot")
    ours = github.person("codexctl-ci")
    github.repository("codexctl-ci", "codexctl-ci", private=False)
    ours.push_folder(OURS, folder / "tool", branch="v1")
    people = {"olga": "admin", "walt": "write", "rita": "read", "codex-bot": "write"}
    team = github.person("acme")
    repository = github.repository("acme", PROJECT, private=True, collaborators=people)
    github.settings(
        repository,
        secrets={"CODEXCTL_GH_PAT": bot.token, "OPENAI_API_KEY": MODEL_KEY},
        variables={
            "CODEXCTL_REGISTRY_HOST": sandbox.registry,
            "CODEXCTL_KANIKO_EXECUTOR": str(sandbox.kaniko_executor),
            "CODEXCTL_SYNC_IMAGE": f"{sandbox.registry}/library/busybox:1.37.0",
            "CODEXCTL_GH_USERNAME": "codex-bot",
            "CODEXCTL_GH_EMAIL": "codex-bot@users.noreply.github.sandbox",
            "SHELF_MODEL_URL": model.api,
        },
    )
    sources = folder / "shelf"
    shutil.copytree(SHELF, sources)
    for name, text in ({f".github/workflows/{name}.yml": wrapper(name) for name in TRIGGERS} | more).items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text)
    team.push_folder(repository, sources)
    return WorkflowStage(github, runner, model, repository, folder / TIMINGS, owner, writer, reader, bot)
