"""The first job of a workflow, as a user's wrapper runs it, with act and our own actions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.runner.client import Runner
from sandbox.runner.records import Records
from sandbox.runner.server import RunnerServer
from sandbox.runner.service import RunnerService, RunnerSettings
from tests.support.github_imitation import Shop, imitation, shop

__all__ = ["imitation", "shop"]

ROOT = Path(__file__).parents[2]
OURS = "codexctl-ci/codexctl-ci"
LIMIT = timedelta(seconds=120)
WRAPPER = f"""
name: AI dev
on:
  issues:
    types: [labeled]
jobs:
  run:
    uses: {OURS}/.github/workflows/ai_dev_issue.yml@v1
    secrets: inherit
"""


@pytest.fixture
def runner(shop: Shop, tmp_path: Path) -> Iterator[Runner]:
    ours = shop.github.person("codexctl-ci")
    shop.github.repository("codexctl-ci", "codexctl-ci", private=False)
    tool = tmp_path / "tool"
    for name in ("actions", "codexctl_ci", "requirements", ".github"):
        shutil.copytree(ROOT / name, tool / name, ignore=shutil.ignore_patterns("__pycache__"))
    ours.push_folder(OURS, tool, branch="v1")
    shop.github.person("github-actions[bot]", type="Bot")
    bot = shop.github.person("codex-bot")
    shop.github.settings(shop.name, collaborators={"codex-bot": "write"}, secrets={"CODEXCTL_GH_PAT": bot.token})
    shop.owner.push_files(shop.name, "main", {".github/workflows/ai_dev_issue.yml": WRAPPER}, "Wrapper")
    environment = {
        "PATH": os.environ["PATH"],
        "CODEXCTL_PYTHON": sys.executable,
        "CODEXCTL_TOOL_CACHE": str(Path.home() / ".cache" / "codexctl-ci" / "runner"),
        "KUBECONFIG": "/nowhere",
    }
    # The step's own environment can't reach a package index: what it would install is installed beforehand.
    subprocess.run([str(tool / "actions" / "codexctl-ci"), "--version"], env=os.environ | environment, check=True)
    act = Path(sys.executable).parent / "act"
    settings = RunnerSettings(act, tmp_path / "runner", environment, {OURS: tool})
    service = RunnerService(settings, shop.github, Records(settings.folder))
    server = RunnerServer("127.0.0.1", 0, service, "door").run_in_thread()
    shop.github.hook(f"{server.url}/hook")
    yield Runner(server.url, "door", shop.github)
    service.stop()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("role", ["triager"])
def test_label_of_a_person_without_write_permission_is_refused_and_said(shop: Shop, runner: Runner, role: str) -> None:
    number = shop.owner.issue(shop.name, "Greet")
    getattr(shop, role).label(shop.name, number, "[ai-dev]")
    (run,) = runner.wait_for("issues", "labeled", number, LIMIT)
    log = runner.log(run["id"])
    assert run["conclusion"] == "failure", log
    ran = {name.rpartition("/")[2].strip(): how for name, how in run["jobs"].items()}
    assert ran == {"guard": "failure", "report": "success"}, log
    (comment,) = shop.owner.comments(shop.name, number)
    assert "A rule stopped this run" in comment["body"] and "tim has read permission here" in comment["body"], log
