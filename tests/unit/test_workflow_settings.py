"""What the reusable workflows take and hand on: runners, inputs, variables, and how each kind of run deploys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codexctl_ci.cli.table import variable_names
from tests.unit.test_workflows import NAMES, evaluate, load, read, steps

AGENTS = tuple(name for name in NAMES if "agent" in read(name)["jobs"])
REVIEWS = tuple(name for name in AGENTS if "prepare" in read(name)["jobs"])
REPAIRS = tuple(name for name in NAMES if "repair" in name)
ON_STAGING = ("ai_staging_deploy", *REPAIRS)
VARIABLES = {
    "CODEXCTL_ALLOWED_USERS",
    "CODEXCTL_GH_USERNAME",
    "CODEXCTL_GH_EMAIL",
    "CODEXCTL_LANG",
    "CODEXCTL_DEV_SLOTS_MAX",
    "CODEXCTL_CODE_ROOT_BASE",
    "CODEXCTL_BASE_DOMAIN_DEV",
    "CODEXCTL_BASE_DOMAIN_AI_STAGING",
    "CODEXCTL_BASE_DOMAIN_AI",
    "CODEXCTL_STORAGE_CLASS_WORKSPACE",
    "CODEXCTL_STORAGE_CLASS_DATA",
    "CODEXCTL_STORAGE_CLASS_REGISTRY",
    "CODEXCTL_WORKSPACE_PVC",
    "CODEXCTL_DATA_PVC",
    "CODEXCTL_REGISTRY_PVC",
    "CODEXCTL_SYNC_IMAGE",
    "CODEXCTL_REGISTRY_HOST",
    "CODEXCTL_KANIKO_EXECUTOR",
    "CODEXCTL_WORKSPACE_MOUNT",
    "LETSENCRYPT_EMAIL",
    "CODEXCTL_VERSION",
}
"""What projects of the older tool have set."""


def inputs(name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = load(name)["on"]["workflow_call"]["inputs"]
    return found


def step_of(name: str, action: str) -> dict[str, Any]:
    (found,) = [step for step in steps(load(name)) if step["uses"].endswith(f"/actions/{action}")]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_jobs_run_on_the_labels_that_projects_have(name: str) -> None:
    own = "ai-staging" if name in ON_STAGING else "ai"
    assert json.loads(inputs(name)["runs-on"]["default"]) == ["self-hosted", own]
    places = {job["runs-on"] for job in load(name)["jobs"].values()}
    assert len(places) == (2 if name == "ai_cleanup" else 1)
    for place in places:
        key = "runs-on-staging" if "runs-on-staging" in place else "runs-on"
        for given, labels in (
            (inputs(name)[key]["default"], None),
            ("pantry-ai", "pantry-ai"),  # a scale set has one name
            ('["self-hosted", "big"]', ["self-hosted", "big"]),
        ):
            wanted = labels or json.loads(given)
            assert evaluate(place.replace(f"inputs.{key}", f"'{given}'"), {}) == wanted


def test_clean_up_of_repairs_runs_where_repairs_do() -> None:
    jobs = load("ai_cleanup")["jobs"]
    repairs = [job for job in jobs.values() if "runs-on-staging" in job["runs-on"]]
    assert [job["env"]["CODEXCTL_ENV"] for job in repairs] == ["ai-repair"]
    assert json.loads(inputs("ai_cleanup")["runs-on-staging"]["default"]) == ["self-hosted", "ai-staging"]
    # A closed issue may have a branch of either kind; both jobs look.
    for job in (jobs["cleanup"], repairs[0]):
        commands = [step["with"]["command"] for step in job["steps"] if "command" in step.get("with", {})]
        assert commands[:2] == ["cleanup-issue", "delete-branch"] and "close-linked-issue" in commands


@pytest.mark.parametrize("name", NAMES)
def test_environment_is_the_one_that_projects_have(name: str) -> None:
    assert inputs(name)["environment"]["default"] == "ai-staging"


@pytest.mark.parametrize("name", NAMES)
def test_every_repository_variable_reaches_every_command(name: str) -> None:
    assert load(name)["env"]["CODEXCTL_REPOSITORY_VARIABLES"] == "${{ toJSON(vars) }}"
    # None of them can be required: a workflow refers to none by its name, but where there is a default beside it.
    words = str(load(name))
    assert [part for part in words.split("vars.")[1:] if "||" not in part.partition("}}")[0]] == []


def test_variables_of_existing_projects_mean_something() -> None:
    assert variable_names() >= VARIABLES


@pytest.mark.parametrize("name", AGENTS)
def test_model_and_effort_reach_the_agent_and_only_it(name: str) -> None:
    given = {"CODEXCTL_INPUT_MODEL": "model", "CODEXCTL_INPUT_REASONING_EFFORT": "model-reasoning-effort"}
    for variable, key in given.items():
        assert inputs(name)[key]["default"] == ""
        # As the input of an action: an empty one hides no variable and no label.
        assert step_of(name, "prompt-run")["env"][variable] == f"${{{{ inputs.{key} }}}}"
    assert load(name)["jobs"]["agent"]["timeout-minutes"] == "${{ inputs.timeout-minutes }}"


@pytest.mark.parametrize("name", NAMES)
def test_place_of_the_stack_reaches_every_command(name: str) -> None:
    workflow = load(name)
    assert workflow["env"]["CODEXCTL_CONFIG"] == "${{ inputs.config }}"
    for step in steps(workflow):
        if step["uses"].startswith("./") and not step["uses"].endswith(("/guard", "/plan-resolve-root")):
            assert step["with"]["working-directory"] == "${{ inputs.working-directory }}", step["name"]


@pytest.mark.parametrize("name", NAMES)
def test_actions_come_from_the_commit_that_the_caller_named(name: str) -> None:
    for step in steps(load(name)):
        given = step["with"] if "checkout@" in step["uses"] else {}
        if given.get("path") == ".codexctl-ci/tool":
            assert given["ref"] == "${{ job.workflow_sha || 'v1' }}"
            assert given["repository"] == "${{ job.workflow_repository || 'codexctl-ci/codexctl-ci' }}"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ai_cleanup"])
def test_what_is_deployed_is_all_of_it_or_the_agents_part_of_a_repair(name: str) -> None:
    given = step_of(name, "ensure-ready")["env"]
    assert given["CODEXCTL_PREPARE_IMAGES"] == given["CODEXCTL_APPLY"] == "true"
    filters = {key: value for key, value in given.items() if "_ONLY_" in key or key.startswith("CODEXCTL_SKIP")}
    repair = {"CODEXCTL_ONLY_INFRA": "codex-ai-repair-rbac", "CODEXCTL_ONLY_SERVICES": "codex"}
    assert filters == (repair if name in REPAIRS else {})
    # An agent runs beside a stack that isn't healthy, and is told so; staging that isn't healthy has failed.
    assert ("CODEXCTL_WAIT_SOFT_FAIL" in given) is (name in AGENTS)
    if name in AGENTS:
        assert "infra_unhealthy" in step_of(name, "prompt-run")["env"]["CODEXCTL_INFRA_UNHEALTHY"]
    if name not in REVIEWS:
        assert given["CODEXCTL_FORCE_APPLY"] == "true"


@pytest.mark.parametrize("name", AGENTS)
def test_agent_goes_on_in_its_thread_unless_its_slot_is_new(name: str) -> None:
    maker = "prepare" if name in REVIEWS else "deploy"
    expression = step_of(name, "prompt-run")["env"]["CODEXCTL_RESUME"]
    for new, resumes in (("true", False), ("false", True)):
        assert evaluate(expression, {}, {maker: {"outputs": {"new_env": new}}}) is resumes
    output = load(name)["jobs"][maker]["outputs"]["new_env"]
    assert output == "${{ steps.ready.outputs.codexctl_new_env }}"
    assert step_of(name, "ensure-ready")["id"] == "ready"


@pytest.mark.parametrize("name", AGENTS)
def test_kind_of_the_run_is_the_workflows_own(name: str) -> None:
    words = name.removeprefix("ai_").replace("pr_review", "review")
    kind = {"review": "dev_review", "repair_issue": "ai-repair_issue", "repair_review": "ai-repair_review"}
    assert step_of(name, "prompt-run")["env"]["CODEXCTL_KIND"] == kind.get(words, words)
    environments = {job["env"]["CODEXCTL_ENV"] for key, job in load(name)["jobs"].items() if key != "guard"}
    assert environments == {"ai-repair" if name in REPAIRS else "ai"}
