"""The main job where it does not end well: each way has its conclusion, one comment, and leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo.look import objects, until
from sandbox.demo.setting import Stage, create_repository, install_operator_files, processes
from sandbox.state import State

ROOT = Path(__file__).parents[2]
LIMIT = timedelta(minutes=8)
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def stage(sandbox: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    tool = tmp_path / "tool"
    for name in ("actions", "codexctl_ci", "requirements", ".github"):
        shutil.copytree(ROOT / name, tool / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("CODEXCTL_TOOL_CACHE", str(tmp_path / "tools"))
    python = {"CODEXCTL_PYTHON": sys.executable}
    subprocess.run([str(tool / "actions" / "codexctl-ci"), "--version"], env=os.environ | python, check=True)
    kubeconfig = install_operator_files(ROOT, sandbox, tmp_path)
    timings = tmp_path / "timings.jsonl"
    with processes(ROOT, sandbox, tmp_path, kubeconfig, timings, keep=False) as runner:
        yield create_repository(ROOT, tmp_path, sandbox, runner, timings)


def label(stage: Stage, title: str, body: str) -> int:
    number = stage.writer.issue(stage.repository, title, body)
    stage.writer.label(stage.repository, number, "[ai-dev]")
    return number


def ended(stage: Stage, number: int) -> dict[str, Any]:
    runs = stage.runner.wait_for("issues", "labeled", number, LIMIT)
    (run,) = [run for run in runs if run["workflow"] == "ai_dev_issue.yml"]
    return dict(run)


def the_comment(stage: Stage, number: int) -> str:
    (comment,) = stage.owner.comments(stage.repository, number)
    return str(comment["body"])


def test_every_way_to_fail_is_told_and_leaves_nothing_half_done(stage: Stage) -> None:
    idle = label(stage, "Do nothing", "sandbox-model: nothing")
    leaky = label(stage, "Leak", "sandbox-model: secret")
    broken = label(stage, "Break", "sandbox-model: fail")
    runs = {number: ended(stage, number) for number in (idle, leaky, broken)}
    logs = {number: stage.runner.log(run["id"]) for number, run in runs.items()}

    assert runs[idle]["conclusion"] == "success", logs[idle][-3000:]
    assert "Nothing was changed" in the_comment(stage, idle)
    assert "already does what the issue asks for" in the_comment(stage, idle)

    assert runs[leaky]["conclusion"] == "failure", logs[leaky][-3000:]
    assert "A rule stopped this run" in the_comment(stage, leaky)
    assert "leaked.py:1" in the_comment(stage, leaky)

    assert runs[broken]["conclusion"] == "failure", logs[broken][-3000:]
    assert "The agent ended with an error" in the_comment(stage, broken)

    assert stage.owner.pulls(stage.repository) == []
    assert list(stage.owner.branches(stage.repository)) == ["main"]
    everything = "".join(logs.values()) + "".join(the_comment(stage, number) for number in runs)
    assert "ghp_0123456789" not in everything and stage.bot.token not in everything

    # Work that is published nowhere is kept until somebody closes the issue.
    kept = [space["metadata"]["name"] for space in objects("namespaces")]
    assert len([name for name in kept if name.startswith("pantry-dev-")]) == 3
    for number in runs:
        stage.owner.close(stage.repository, number)
        stage.runner.wait_for("issues", "closed", number, LIMIT)

    def nothing_left() -> bool:
        return not any(space["metadata"]["name"].startswith("pantry-dev-") for space in objects("namespaces"))

    until(nothing_left, "the slots of closed issues are gone", LIMIT)
