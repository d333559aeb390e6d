"""The reusable workflows and actions, read as GitHub reads them."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NAMES = (
    "ai_staging_deploy",
    "ai_plan_issue",
    "ai_plan_review",
    "ai_dev_issue",
    "ai_pr_review",
    "ai_repair_issue",
    "ai_repair_pr_review",
    "ai_cleanup",
)
GUARDED = tuple(name for name in NAMES if name not in ("ai_staging_deploy", "ai_cleanup"))
INPUTS = {"runs-on", "config", "working-directory", "timeout-minutes", "environment"}


@functools.cache
def load(name: str) -> dict[str, Any]:
    # BaseLoader: `on` is a word here, not a truth value.
    found: dict[str, Any] = yaml.load((ROOT / f".github/workflows/{name}.yml").read_text(), yaml.CBaseLoader)
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", NAMES)
def test_workflow_works_without_any_input(name: str) -> None:
    call = load(name)["on"]["workflow_call"]
    assert set(call["inputs"]) >= INPUTS
    for given in call["inputs"].values():
        assert "default" in given and given.get("required", "false") == "false"
    required = [secret for secret, row in call["secrets"].items() if row["required"] == "true"]
    assert required == ["CODEXCTL_GH_PAT"]


@pytest.mark.parametrize("name", NAMES)
def test_no_job_asks_for_more_than_to_read(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["environment"] == "${{ inputs.environment }}"
        assert "timeout-minutes" in job


@pytest.mark.parametrize("name", NAMES)
def test_runs_wait_for_each_other_and_are_never_cancelled(name: str) -> None:
    concurrency = load(name)["concurrency"]
    assert concurrency["cancel-in-progress"] == "false"
    assert "github.run_id" in concurrency["group"], "an event that will not run needs a group of its own"
    assert concurrency["group"].startswith("codexctl-")


def test_every_workflow_has_a_group_of_its_own() -> None:
    groups = [str(load(name)["concurrency"]["group"]).partition("$")[0] for name in NAMES]
    assert len(set(groups)) == len(groups)


@pytest.mark.parametrize("name", GUARDED)
def test_guard_comes_before_everything(name: str) -> None:
    jobs = load(name)["jobs"]
    assert next(iter(jobs)) == "guard"
    assert any(step["uses"].endswith("/actions/guard") for step in jobs["guard"]["steps"])
    for job_name, job in jobs.items():
        if job_name == "guard":
            assert "if" in job
        elif job_name == "report":
            assert "guard" in job["needs"]
        else:
            assert "guard" in job["needs"] and job["if"] == "needs.guard.outputs.allowed == 'true'"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ai_dev_issue", "github.event.label.name == '[ai-dev]'"),
        ("ai_plan_issue", "github.event.label.name == '[ai-plan]'"),
        ("ai_repair_issue", "github.event.label.name == '[ai-repair]'"),
        ("ai_plan_review", "github.event.issue.pull_request == null"),
        ("ai_pr_review", "!startsWith(github.event.pull_request.head.ref, 'codex/ai-repair-')"),
        ("ai_repair_pr_review", "&& startsWith(github.event.pull_request.head.ref, 'codex/ai-repair-')"),
    ],
)
def test_workflow_runs_for_its_own_event_alone(name: str, words: str) -> None:
    workflow = load(name)
    assert words in workflow["jobs"]["guard"]["if"] and words in workflow["concurrency"]["group"]


def test_staging_is_deployed_unless_the_commit_says_no() -> None:
    condition = load("ai_staging_deploy")["jobs"]["deploy"]["if"]
    for word in ("[skip ci]", "[skip-ci]", "[no ci]", "[no-ci]"):
        assert f"!contains(github.event.head_commit.message, '{word}')" in condition


@pytest.mark.parametrize("name", NAMES)
def test_foreign_actions_are_pinned_and_ours_come_from_the_callers_commit(name: str) -> None:
    for step in steps(load(name)):
        if step["uses"].startswith("./"):
            assert step["uses"].startswith("./.codexctl-ci/tool/actions/")
            assert (ROOT / step["uses"].replace("./.codexctl-ci/tool/", "") / "action.yml").is_file()
        else:
            assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"])
            assert step["with"]["persist-credentials"] == "false"


@pytest.mark.parametrize("name", NAMES)
def test_project_is_checked_out_before_our_actions(name: str) -> None:
    # A checkout into the workspace's root removes what stands there.
    for job_name, job in load(name)["jobs"].items():
        paths = [step["with"].get("path", "") for step in job["steps"] if "checkout@" in step["uses"]]
        assert "" not in paths[1:], job_name
        assert ".codexctl-ci/tool" in paths


@pytest.mark.parametrize("name", NAMES)
def test_no_expression_reaches_a_shell(name: str) -> None:
    assert not any("run" in step for step in steps(load(name)))
    for action in (ROOT / "actions").glob("*/action.yml"):
        for step in yaml.safe_load(action.read_text())["runs"]["steps"]:
            assert "${{" not in step["run"] and step["run"].startswith("exec ")


@pytest.mark.parametrize("name", NAMES)
def test_model_key_goes_only_where_it_is_needed(name: str) -> None:
    for step in steps(load(name)):
        given = step.get("env", {})
        renders = step["uses"].rpartition("/")[2] in ("ensure-slot", "ensure-ready", "prompt-run")
        # What is published is searched for the run's own secrets.
        publishes = "CODEXCTL_FINAL_MESSAGE" in given
        for secret in ("OPENAI_API_KEY", "CONTEXT7_API_KEY", "CODEXCTL_TEMPLATE_SECRETS"):
            assert (secret in given) == (renders or publishes), step


@pytest.mark.parametrize("name", [name for name in NAMES if "review" in name and "plan" not in name])
def test_review_runs_deploy_with_the_files_of_the_base(name: str) -> None:
    jobs = load(name)["jobs"]
    for job_name in ("prepare", "agent", "review-apply"):
        first = jobs[job_name]["steps"][0]
        assert first["with"]["ref"] == "${{ github.event.pull_request.base.ref }}"
    ready = next(step for step in jobs["prepare"]["steps"] if step["uses"].endswith("ensure-ready"))
    assert ready["env"]["CODEXCTL_SOURCE"] == ".codexctl-ci/head"
