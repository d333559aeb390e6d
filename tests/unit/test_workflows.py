"""The reusable workflows and actions, read as GitHub reads them."""

from __future__ import annotations

import copy
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUN_ID = 4711
ATTEMPT = "2"
REPOSITORY = "acme/shop"


@dataclass(frozen=True)
class Event:
    """What happened, which workflows it is for, and the group that they wait in."""

    name: str
    trigger: str
    payload: dict[str, Any]
    runs: tuple[str, ...] = ()
    group: object = 7


def labelled(label: str) -> dict[str, Any]:
    return {"issue": {"number": 7}, "label": {"name": label}}


def pull(head: str, repository: str = REPOSITORY) -> dict[str, Any]:
    return {"pull_request": {"number": 7, "head": {"ref": head, "repo": {"full_name": repository}}}}


def reviewed(state: str, head: str, repository: str = REPOSITORY) -> dict[str, Any]:
    return {"review": {"state": state}, **pull(head, repository)}


def commented(body: str, on_pull: bool = False) -> dict[str, Any]:
    issue = {"number": 7} | ({"pull_request": {"url": "..."}} if on_pull else {})
    return {"issue": issue, "comment": {"body": body}}


def pushed(message: str) -> dict[str, Any]:
    return {"head_commit": {"message": message}}


EVENTS = (
    Event("dev", "issues.labeled", labelled("[ai-dev]"), ("ai_dev_issue",)),
    Event("plan", "issues.labeled", labelled("[ai-plan]"), ("ai_plan_issue",)),
    Event("repair", "issues.labeled", labelled("[ai-repair]"), ("ai_repair_issue",)),
    Event("other-label", "issues.labeled", labelled("bug")),
    Event("comment", "issue_comment", commented("Now [ai-plan] it"), ("ai_plan_review",)),
    Event("other-comment", "issue_comment", commented("Now plan it")),
    Event("comment-on-pull", "issue_comment", commented("[ai-plan]", on_pull=True)),
    Event("review", "pull_request_review", reviewed("changes_requested", "codex/issue-3"), ("ai_pr_review",)),
    Event("review-of-people", "pull_request_review", reviewed("changes_requested", "tidy"), ("ai_pr_review",)),
    # The guard ends it, green, and says why.
    Event("review-of-fork", "pull_request_review", reviewed("changes_requested", "x", "eve/shop"), ("ai_pr_review",)),
    Event(
        "review-of-repair",
        "pull_request_review",
        reviewed("changes_requested", "codex/ai-repair-3"),
        ("ai_repair_pr_review",),
    ),
    Event("approval", "pull_request_review", reviewed("approved", "codex/issue-3")),
    Event("approval-of-repair", "pull_request_review", reviewed("approved", "codex/ai-repair-3")),
    Event("closed-issue", "issues.closed", {"issue": {"number": 7}}, ("ai_cleanup",)),
    Event("closed-pull", "pull_request.closed", pull("codex/issue-3"), ("ai_cleanup",)),
    Event("closed-fork", "pull_request.closed", pull("main", "eve/shop")),
    Event("push", "push", pushed("Sort the books"), ("ai_staging_deploy",), "refs/heads/main"),
    *(Event(word, "push", pushed(f"Typo {word}")) for word in ("[skip ci]", "[skip-ci]", "[no ci]", "[no-ci]")),
)
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
TRIGGERS = {
    "ai_staging_deploy": ("push",),
    "ai_plan_issue": ("issues.labeled",),
    "ai_plan_review": ("issue_comment",),
    "ai_dev_issue": ("issues.labeled",),
    "ai_pr_review": ("pull_request_review",),
    "ai_repair_issue": ("issues.labeled",),
    "ai_repair_pr_review": ("pull_request_review",),
    "ai_cleanup": ("issues.closed", "pull_request.closed"),
}
"""By what the wrappers of projects start each of them."""
GITHUB_SECRETS = {"CODEXCTL_GH_PAT", "CODEXCTL_APP_ID", "CODEXCTL_APP_PRIVATE_KEY"}
STACK_SECRETS = {"OPENAI_API_KEY", "CONTEXT7_API_KEY", "CODEXCTL_TEMPLATE_SECRETS"}
INPUTS = {"runs-on", "config", "working-directory", "timeout-minutes", "environment"}


@functools.cache
def read(name: str) -> dict[str, Any]:
    # BaseLoader: `on` is a word here, not a truth value.
    found: dict[str, Any] = yaml.load((ROOT / f".github/workflows/{name}.yml").read_text(), yaml.CBaseLoader)
    return found


def load(name: str) -> dict[str, Any]:
    return copy.deepcopy(read(name))


def evaluate(expression: str, event: dict[str, Any], needs: dict[str, Any] | None = None) -> object:
    """The value of one of GitHub's expressions; Python's `and` and `or` choose operands as GitHub's do."""
    known = {
        "github": {
            "event": event,
            "run_id": RUN_ID,
            "run_attempt": ATTEMPT,
            "repository": REPOSITORY,
            "ref": "refs/heads/main",
        }
    }
    contexts = known | {"needs": needs or {}}

    def look(path: str) -> object:
        found: object = contexts
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def contains(text: Any, word: str) -> bool:
        return word.lower() in (text.lower() if isinstance(text, str) else text or ())

    text = expression.strip().removeprefix("${{").removesuffix("}}").strip()
    pieces = re.split(r"('[^']*')", text)
    for number, piece in enumerate(pieces):
        if not piece.startswith("'"):
            piece = (
                piece.replace("&&", " and ").replace("||", " or ").replace("null", "None").replace("always()", "True")
            )
            piece = re.sub(r"!(?!=)", " not ", piece)
            pieces[number] = re.sub(r"\b((?:github|needs)\.[\w.-]+)", r"look('\1')", piece)
    functions = {
        "look": look,
        "contains": contains,
        "startsWith": lambda text, start: str(text or "").startswith(start),
        "fromJSON": json.loads,
        "toJSON": json.dumps,
    }
    return eval("".join(pieces).strip(), {"__builtins__": {}}, functions)


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
    ("name", "event"),
    [(name, event) for name in NAMES for event in EVENTS if event.trigger in TRIGGERS[name]],
    ids=lambda value: value.name if isinstance(value, Event) else value,
)
def test_event_runs_in_its_own_workflow_alone_and_another_joins_no_group(name: str, event: Event) -> None:
    workflow = load(name)
    first = next(iter(workflow["jobs"].values()))
    runs = bool(evaluate(first["if"], event.payload))
    assert runs == (name in event.runs)
    words, _, expression = workflow["concurrency"]["group"].partition("$")
    group = evaluate(f"${expression}", event.payload)
    # One that won't run must not push a waiting run out of the real group.
    assert group == (event.group if runs else RUN_ID)
    assert words == f"codexctl-{name.removeprefix('ai_').replace('_', '-')}-"


def test_slot_is_given_back_only_where_this_run_made_it_and_no_agent_began() -> None:
    for name in GUARDED:
        steps_of_report = load(name)["jobs"]["report"]["steps"]
        give_back = next(step for step in steps_of_report if step.get("with", {}).get("command") == "cleanup")
        maker = "slot" if "slot" in load(name)["jobs"] else "prepare"
        for created, agent, expected in (
            ("true", "skipped", True),
            ("true", "cancelled", True),  # the command itself keeps a slot with an agent or its work in it
            ("true", "failure", False),
            ("true", "success", False),
            ("false", "skipped", False),
            ("", "skipped", False),  # the guard did not pass, or the slot was not leased
        ):
            outputs = {"created": created, "attempt": ATTEMPT}
            needs = {maker: {"outputs": outputs}, "agent": {"result": agent}}
            assert bool(evaluate(give_back["if"], {}, needs)) == expected
            if maker == "slot":
                # Leased by an earlier attempt: whoever re-ran the failed jobs wants it.
                assert not evaluate(give_back["if"], {}, {**needs, "slot": {"outputs": {**outputs, "attempt": "1"}}})
        given = give_back["env"]
        assert "needs" in given["CODEXCTL_EPOCH"] and "CODEXCTL_FORCE" not in given and "force" not in give_back["with"]


@pytest.mark.parametrize("name", [name for name in NAMES if "slot" in read(name)["jobs"]])
def test_failed_jobs_that_are_run_again_present_no_slot_of_an_earlier_attempt(name: str) -> None:
    jobs = load(name)["jobs"]
    assert jobs["slot"]["outputs"]["attempt"] == "${{ github.run_attempt }}"
    for key, output in (("CODEXCTL_SLOT", "slot"), ("CODEXCTL_EPOCH", "epoch")):
        for attempt, expected in ((ATTEMPT, "5"), ("1", "")):
            needs = {"slot": {"outputs": {output: "5", "attempt": attempt}}}
            assert evaluate(jobs["deploy"]["env"][key], {}, needs) == expected
        # What comes after works in the slot that the deploy had.
        assert jobs["deploy"]["outputs"][output] == f"${{{{ steps.ready.outputs.{output} }}}}"
        for job in ("agent", "publish"):
            assert jobs[job]["env"][key] == f"${{{{ needs.deploy.outputs.{output} }}}}"


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
def test_secret_reaches_no_step_that_does_not_need_it(name: str) -> None:
    workflow = load(name)
    for step in steps(workflow):
        allowed = needed(step)
        given = {key for key, value in step.get("env", {}).items() if re.search(r"\bsecrets\b", value)}
        assert given == allowed & set(workflow["on"]["workflow_call"]["secrets"]), step["name"]
        for key in given:
            assert step["env"].pop(key) == f"${{{{ secrets.{key} }}}}"
    # Nowhere else, not all at once either: not in a job's or the workflow's environment, no input, no condition.
    rest = str({**workflow, "on": None})
    assert not re.search(r"\bsecrets\b|\bgithub\.token\b|\bGITHUB_TOKEN\b|toJSON\(\s*github\b", rest)


def needed(step: dict[str, Any]) -> set[str]:
    action = step["uses"].rpartition("/")[2]
    if action.startswith("checkout@"):
        return set()
    if action in ("guard", "pr-detect", "plan-resolve-root"):
        return GITHUB_SECRETS
    # Stacks render theirs; what is published is searched for them.
    publishes = action in ("pr-publish", "review-apply") or "CODEXCTL_FINAL_MESSAGE" in step["env"]
    renders = action in ("ensure-slot", "ensure-ready", "prompt-run")
    return GITHUB_SECRETS | STACK_SECRETS if publishes or renders else GITHUB_SECRETS


@pytest.mark.parametrize("name", [name for name in NAMES if "review" in name and "plan" not in name])
def test_review_runs_deploy_with_the_files_of_the_base(name: str) -> None:
    jobs = load(name)["jobs"]
    for job_name in ("prepare", "agent", "review-apply"):
        first = jobs[job_name]["steps"][0]
        assert first["with"]["ref"] == "${{ github.event.pull_request.base.ref }}"
    ready = next(step for step in jobs["prepare"]["steps"] if step["uses"].endswith("ensure-ready"))
    assert ready["env"]["CODEXCTL_SOURCE"] == ".codexctl-ci/head"


@pytest.mark.parametrize("name", NAMES)
def test_registry_is_plain_unless_a_repository_variable_says_otherwise(name: str) -> None:
    for job in read(name)["jobs"].values():
        for step in job.get("steps", ()):
            for variable, value in step.get("env", {}).items():
                if variable.startswith("CODEXCTL_KANIKO_"):
                    assert value == f"${{{{ vars.{variable} || 'true' }}}}", (name, variable)
