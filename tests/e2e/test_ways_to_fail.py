"""The main job where it does not end well: each way has its conclusion, one comment, and leaves nothing half done.

All runs go on at once, each with what was wrong at the moment when its issue was labelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from sandbox.demo.look import objects, until
from tests.support.workflow_stage import LIMIT, MODEL_KEY, PROJECT, SHELF, Ended, WorkflowStage, slots

pytestmark = [pytest.mark.timeout(600)]

STACK = (SHELF / "services.yaml").read_text()
NOWHERE = "127.0.0.1:9"
NO_CLUSTER = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": f"https://{NOWHERE}"}}],
    "users": [{"name": "u", "user": {"token": "x"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "c",
}
# The exit code and the conclusion of a step.
AWAY, WRONG, SAME = (1, "infra_error"), (2, "infra_error"), (0, "no_change")
BLOCKED, FAILED = (6, "blocked"), (7, "agent_error")
READ_ONLY = {"metadata": "read", "contents": "read", "issues": "read", "pull_requests": "read"}


@dataclass(frozen=True)
class Way:
    """One thing that is wrong, and what comes of it.

    ``failing`` is the job that says so (without one, the last), ``ends`` the exit code and the conclusion there,
    ``told`` what stands on its summary and on the issue.
    """

    body: str
    failing: str = ""
    ends: tuple[int, str] = AWAY
    headline: str = ""
    told: tuple[str, ...] = ()
    comments: int = 1
    keeps_slot: bool = False
    label: str = "[ai-dev]"
    files: dict[str, str | None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    token: dict[str, Any] | None = None
    fault: dict[str, Any] | None = None


PREPARED, AGENT = "The environment could not be prepared", "The agent ended with an error"
MAXIMUM = 'maxSlots: {{ envOr "CODEXCTL_DEV_SLOTS_MAX" "9" }}'
HASTE = {"CODEXCTL_REQUEST_TIMEOUT": "2s"}
WAYS = {
    "no services.yaml": Way(
        "Hello", "slot", WRONG, PREPARED, ("services.yaml", "no such file"), files={"services.yaml": None}
    ),
    "a wrong services.yaml": Way(
        "Hello",
        "slot",
        WRONG,
        PREPARED,
        ("services.yaml:", "maxSlots"),
        files={"services.yaml": STACK.replace(MAXIMUM, "maxSlots: many")},
    ),
    "an unknown label": Way("Hello", ends=(0, ""), comments=0, label="[ai-dve]"),
    "a token that is no more": Way(
        "Hello", "guard", told=("401", "CODEXCTL_GH_PAT"), comments=0, token={"expires_at": "2020-01-01T00:00:00Z"}
    ),
    "a token that may only read": Way(
        "add a page about tokens",
        "publish",
        told=("403", "CODEXCTL_GH_PAT"),
        comments=0,
        keeps_slot=True,
        token={"rights": READ_ONLY},
    ),
    "the cluster away": Way(
        "Hello",
        "slot",
        AWAY,
        PREPARED,
        (NOWHERE, "refused"),
        files={"away.kubeconfig": json.dumps(NO_CLUSTER)},
        variables={"CODEXCTL_KUBECONFIG": "away.kubeconfig", **HASTE},
    ),
    "the registry away": Way(
        "Hello", "deploy", AWAY, PREPARED, (NOWHERE,), variables={"CODEXCTL_REGISTRY_HOST": NOWHERE, **HASTE}
    ),
    "the model overloaded": Way(
        "add a page about crowds", "agent", FAILED, AGENT, ("429",), keeps_slot=True, fault={"status": 429}
    ),
    "the model broken": Way(
        "add a page about ruins", "agent", FAILED, AGENT, ("temporary errors",), keeps_slot=True, fault={"status": 500}
    ),
    "an agent that fails": Way("sandbox-model: fail", "agent", FAILED, AGENT, ("agent ! ",), keeps_slot=True),
    "an agent without end": Way(
        "sandbox-model: sleep",
        "agent",
        (7, "timeout"),
        "The agent ran out of time",
        ("not done after 10s", "its work is kept in the slot"),
        keeps_slot=True,
        variables={"CODEXCTL_EXEC_TIMEOUT": "10s"},
    ),
    "an agent that changes nothing": Way(
        "sandbox-model: nothing",
        "",
        SAME,
        "Nothing was changed",
        ("already does what the issue asks",),
        keeps_slot=True,
    ),
    "an agent that leaks": Way(
        "sandbox-model: secret", "publish", BLOCKED, "A rule stopped this run", ("leaked.py:1",), keeps_slot=True
    ),
}


@dataclass(frozen=True)
class Result:
    """What came of a way to fail."""

    issue: int
    run: Ended
    comments: list[str]


@contextmanager
def wrong(stage: WorkflowStage, way: Way) -> Iterator[None]:
    """The repository with what is wrong, for the body of a ``with``."""
    settings = stage.github.door("POST", "settings/read", {"repository": stage.repository})
    if way.files:
        stage.owner.push_files(stage.repository, "main", way.files, "Wrong [skip ci]")
    token = stage.github.token(stage.bot.login, **way.token) if way.token else stage.bot.token
    secrets = settings["secrets"] | {"CODEXCTL_GH_PAT": token}
    stage.github.settings(stage.repository, variables=settings["variables"] | way.variables, secrets=secrets)
    if way.fault:
        stage.model.fault("status", prompt=way.body, times=99, **way.fault)
    try:
        yield
    finally:
        # An empty variable is an unset one.
        variables = dict.fromkeys(way.variables, "") | settings["variables"]
        stage.github.settings(stage.repository, variables=variables, secrets=settings["secrets"])
        if way.files:
            good = {"services.yaml": STACK} | {name: None for name in way.files if name != "services.yaml"}
            stage.owner.push_files(stage.repository, "main", good, "Right again [skip ci]")


def has_begun(stage: WorkflowStage, issue: int) -> bool:
    """Whether the run has read the sources, variables and secrets that it works with."""
    delivery = stage.runner.delivery("issues", "labeled", issue)
    runs = [run for run in stage.runner.runs() if run["delivery"] == delivery]
    (run,) = [run for run in runs if run["workflow"] == "ai_dev_issue.yml"] or [None]
    return bool(run) and (run["status"] == "completed" or bool(stage.runner.log(run["id"])))


@pytest.fixture(scope="module")
def results(stage: WorkflowStage) -> Iterator[dict[str, Result]]:
    stage.owner.push_files(
        stage.repository, "main", {"deploy/web.yaml": (SHELF / "deploy" / "web.yaml").read_text()}, "Good [skip ci]"
    )
    before, issues = slots(), {}
    for name, way in WAYS.items():
        with wrong(stage, way):
            issues[name] = stage.issue(name, way.body, way.label)
            until(partial(has_begun, stage, issues[name]), f"{name}: the run has begun", LIMIT)
    found = {}
    for name, number in issues.items():
        run = stage.ended("issues", "labeled", number)["ai_dev_issue"]
        found[name] = Result(number, run, stage.comments(number))
    stage.model.no_faults()
    yield found
    for number in issues.values():
        stage.owner.close(stage.repository, number)
    for number in issues.values():
        stage.ended("issues", "closed", number)
    until(lambda: set(slots()) <= set(before), "the slots of closed issues are gone", LIMIT)


@pytest.mark.parametrize("name", WAYS)
def test_it_is_told_where_people_look(results: dict[str, Result], name: str) -> None:
    way, result = WAYS[name], results[name]
    run = result.run
    assert run.conclusion == ("failure" if way.failing else "success" if run.ran else "skipped"), str(run)
    failed = [job for job, how in run.jobs.items() if how == "failure"]
    # Where nothing can be written on GitHub, the job that would say so fails too.
    assert failed == ([way.failing] if way.failing else []) + ([] if way.comments or not way.failing else ["report"])
    assert len(result.comments) == way.comments, result.comments
    # What the agent itself says of a run that went well stands on the issue alone.
    for place in (*([run.summary] if way.failing else []), *result.comments):
        for text in way.told:
            assert text in place, f"{text!r} is not in: {place}"
    for comment in result.comments:
        assert way.headline in comment and f"/actions/runs/{run.id}" in comment


@pytest.mark.parametrize("name", WAYS)
def test_every_step_ends_with_its_own_exit_code_and_conclusion(results: dict[str, Result], name: str) -> None:
    way, run = WAYS[name], results[name].run
    code, conclusion = way.ends
    failing = {job: [code for code in codes if code] for job, codes in run.codes.items()}
    expected = {way.failing: [code]} if way.failing else {}
    if way.failing and not way.comments:
        expected["report"] = [1]
    assert failing == {job: [] for job in run.codes} | expected
    assert run.told(way.failing or "publish", "conclusion") == conclusion


def test_nothing_leaks_and_nothing_is_half_done(stage: WorkflowStage, results: dict[str, Result]) -> None:
    for name, result in results.items():
        everything = "".join([result.run.log, result.run.summary, str(result.run.annotations), *result.comments])
        for secret in (stage.bot.token, MODEL_KEY, "ghp_0123456789"):
            assert secret not in everything, name
        branch = f"codex/issue-{result.issue}"
        assert branch not in stage.owner.branches(stage.repository), name
    labels = [lease["metadata"].get("labels", {}) for lease in objects("leases")]
    held = {label.get("codexctl.io/claim", "") for label in labels if label.get("codexctl.io/project") == PROJECT}
    claims = {f"ai.issue-{result.issue}": name for name, result in results.items()}
    assert {claims[claim] for claim in held & set(claims)} == {name for name, way in WAYS.items() if way.keeps_slot}


def test_a_second_run_updates_the_one_comment(stage: WorkflowStage, results: dict[str, Result]) -> None:
    first = results["a wrong services.yaml"]
    again = stage.rerun(first.run)
    assert again.conclusion == "failure"
    assert len(stage.comments(first.issue)) == 1
