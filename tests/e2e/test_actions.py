"""Every composite action, in a team's own workflow (``own.yml``): inputs go in, outputs come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import OWN_WORKFLOW, Opening
from tests.support.workflow_stage import ROOT, WorkflowStage, slots

pytestmark = [pytest.mark.timeout(900)]


def test_own_workflow_uses_every_action_there_is() -> None:
    used = {step.get("uses", "") for step in yaml.safe_load(OWN_WORKFLOW.read_text())["jobs"]["own"]["steps"]}
    actions = {path.parent.name for path in (ROOT / "actions").glob("*/action.yml")}
    assert {Path(name).name.partition("@")[0] for name in used if "/actions/" in name} == actions
    assert "codexctl-ci/codexctl-ci@v1" in used


def test_inputs_reach_commands_and_outputs_come_back(stage: WorkflowStage, opening: Opening) -> None:
    known = stage.github.door("POST", "settings/read", {"repository": stage.repository})
    variables = known["variables"] | {"PLAN": str(opening.plan)}
    stage.github.settings(stage.repository, variables=variables, secrets=known["secrets"])
    number = stage.issue("Mice", "add a page about mice", "own")
    run = stage.ended("issues", "labeled", number)["own"]
    assert run.conclusion == "success", str(run)
    found = {name: step["outputs"] for name, step in steps_in(run.summary).items()}

    assert found["guard"] == {"allowed": "true", "conclusion": "", "failure": ""}
    assert found["root"] | {"root": str(opening.plan), "focus": str(opening.plan)} == found["root"]
    slot = found["slot"]["slot"]
    assert found["slot"] | {"namespace": f"shelf-dev-{slot}", "env": "ai", "created": "true"} == found["slot"]
    assert int(found["slot"]["epoch"]) > 0
    ready = found["ready"]
    assert ready | {"slot": slot, "epoch": found["slot"]["epoch"], "env": "ai"} == ready
    assert ready | {"infra_ready": "true", "infra_unhealthy": "false", "codexctl_env_ready": "true"} == ready
    assert found["infra"]["changed"] in ("true", "false") and found["infra"]["ready"] == "true"
    assert isinstance(json.loads(found["images"]["images"]), dict)
    assert ready["codexctl_run_args"] == f"--env ai --slot {slot}"
    agent = found["agent"]
    assert agent["conclusion"] == "changed" and agent["thread_id"] and int(agent["input_tokens"]) > 0
    assert agent["final_message"].splitlines() == ["Title: Add a page about mice", "", "`page/mice.html` is there."]
    assert {item["model"] for item in stage.model.requests() if "about mice" in item["prompt"]} == {"gpt-own"}
    branch = f"codex/issue-{number}"
    pull = stage.pull_of(branch)
    assert (
        found["publish"]
        | {
            "conclusion": "changed",
            "branch": branch,
            "commit": pull["head"]["sha"],
            "pr_number": str(pull["number"]),
        }
        == found["publish"]
    )
    assert found["detect"] | {"codexctl_pr_number": str(pull["number"]), "head": branch} == found["detect"]
    assert found["answer"]["conclusion"] == "no_change" and found["answer"]["pr_number"] == str(pull["number"])
    assert found["broken"]["conclusion"] == "infra_error" and "nowhere.yaml" in found["broken"]["failure"]
    assert f"shelf-dev-{slot}" not in slots()
    for name in ("one", "infra", "sources", "images", "cleanup"):
        assert found[name].get("failure", "") == "", name
    assert "codexctl-ci 0." in run.log


def steps_in(summary: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(summary.split("STEPS")[1])
    return found
