"""All eight workflows, by wrappers as existing projects have them: each where it goes well and where it doesn't.

The tests share one stage; each has issues of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sandbox.demo.look import kubectl, objects, until
from tests.e2e.conftest import Opening
from tests.support.workflow_stage import SHELF, STAGING, WorkflowStage, slots

pytestmark = [pytest.mark.timeout(900)]

FAILING_JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: sort
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: sort
          image: {{ .registry }}/library/busybox:1.37.0
          command: [sh, -c, "echo no such shelf: 7 >&2; exit 3"]
"""


def in_staging() -> set[str]:
    return {item["metadata"]["name"] for item in objects("deployments", STAGING)}


@contextmanager
def web_as(stage: WorkflowStage, change: Callable[[str], str], message: str) -> Iterator[None]:
    """The web service's manifest as ``change`` makes it, on main, for the body of a ``with``."""
    good = (SHELF / "deploy" / "web.yaml").read_text()
    stage.owner.push_files(stage.repository, "main", {"deploy/web.yaml": change(good)}, message)
    try:
        yield
    finally:
        stage.owner.push_files(stage.repository, "main", {"deploy/web.yaml": good}, "Right again [skip ci]")


def test_push_deploys_staging_volume_before_sources_before_images_before_stack(opening: Opening) -> None:
    run = opening.deployed
    assert run.conclusion == "success", str(run)
    assert run.ran == {"deploy": "success"}
    signs = ("PersistentVolumeClaim/shelf-workspace in", "sources: ", "IMAGE  ACTION", "Deployment/web in")
    places = [run.log.find(sign) for sign in signs]
    assert places == sorted(places) and -1 not in places, str(run)
    (web,) = [item for item in objects("deployments", STAGING) if item["metadata"]["name"] == "web"]
    assert web["status"]["readyReplicas"] == 1
    assert "ai-staging-0-" in web["spec"]["template"]["spec"]["containers"][0]["image"]
    assert "web" in run.summary, run.summary


@pytest.mark.parametrize("word", ["[skip-ci]", "[no-ci]"])
def test_commit_that_says_so_is_not_deployed(stage: WorkflowStage, opening: Opening, word: str) -> None:
    stage.owner.push_files(stage.repository, "main", {}, f"Typo {word}")
    run = stage.ended("push")["ai_staging_deploy"]
    assert run.conclusion == "skipped" and run.ran == {}, str(run)


def test_plan_is_a_comment_and_a_comment_makes_it_better(stage: WorkflowStage, opening: Opening) -> None:
    runs = stage.ended("issues", "labeled", opening.plan)
    runs.pop("own")
    run = runs.pop("ai_plan_issue")
    assert run.conclusion == "success", str(run)
    assert set(run.ran) == {"guard", "slot", "deploy", "agent", "publish"}
    assert {name: other.ran for name, other in runs.items()} == {"ai_dev_issue": {}, "ai_repair_issue": {}}
    (plan,) = stage.answers(opening.plan)
    assert "a page about fish, with pictures" in plan
    stage.writer.comment(stage.repository, opening.plan, "[ai-plan] Please leave out the pictures.")
    better = stage.ended("issue_comment", "created", opening.plan)["ai_plan_review"]
    assert better.conclusion == "success", str(better)
    assert set(better.ran) == {"guard", "prepare", "agent", "publish"}
    (plan,) = stage.answers(opening.plan)
    assert "a page without pictures" in plan and "with pictures" not in plan
    assert len(stage.threads("leave out the pictures") | stage.threads("plan a page about fish")) == 1
    assert not [name for name in stage.owner.branches(stage.repository) if str(opening.plan) in name]


def test_plan_that_nobody_can_find_is_told(stage: WorkflowStage) -> None:
    first = stage.issue("Hen")
    second = stage.issue("Egg", f"AI-PLAN-PARENT: #{first}")
    stage.writer.rest("PATCH", f"/repos/{stage.repository}/issues/{first}", {"body": f"AI-PLAN-PARENT: #{second}"})
    stage.writer.comment(stage.repository, second, "[ai-plan] What was first?")
    run = stage.ended("issue_comment", "created", second)["ai_plan_review"]
    assert run.conclusion == "failure"
    assert run.ran == {"guard": "success", "prepare": "failure", "report": "success"}, str(run)
    (told,) = stage.answers(second)
    for text in (told, run.summary, str(run.annotations)):
        assert f"goes in a circle: #{second} -> #{first} -> #{second}" in text
    assert "could not be prepared" in told and f"/actions/runs/{run.id}" in told


def test_dev_makes_a_pull_request_a_review_comes_back_and_a_merge_gives_all_back(
    stage: WorkflowStage, opening: Opening
) -> None:
    run = stage.ended("issues", "labeled", opening.page)["ai_dev_issue"]
    assert run.conclusion == "success", str(run)
    branch = f"codex/issue-{opening.page}"
    pull = stage.pull_of(branch)["number"]
    (told,) = stage.answers(opening.page)
    assert f"#{pull}" in told and "shelf.example" in told

    # Asked for once more: the same pull request, thread and slot, and its stack isn't healthy by now.
    held = set(slots())
    stage.writer.comment(stage.repository, opening.page, "Please call the page Gulls.")
    stage.writer.unlabel(stage.repository, opening.page, "[ai-dev]")
    with web_as(stage, lambda good: f"{good}---{FAILING_JOB}", "Sort the books [skip ci]"):
        stage.writer.label(stage.repository, opening.page, "[ai-dev]")
        run = stage.ended("issues", "labeled", opening.page)["ai_dev_issue"]
    assert run.conclusion == "success" and run.ran["deploy"] == "success", str(run)
    assert "Job/sort" in run.summary
    (told,) = {item["prompt"] for item in stage.model.requests() if "call the page Gulls" in item["prompt"]}
    assert "The stack is not healthy" in told
    assert stage.pull_of(branch)["number"] == pull and set(slots()) == held
    assert len(stage.threads("add a page about birds") | stage.threads("call the page Gulls")) == 1

    # Not an issue: no plan is made of it.
    stage.writer.comment(stage.repository, pull, "[ai-plan] And fish?")
    assert stage.ended("issue_comment", "created", pull)["ai_plan_review"].ran == {}

    line = ("page/birds.html", 1, "Please call the page Birds.")
    stage.owner.review(stage.repository, pull, "REQUEST_CHANGES", "Nearly.", (line,))
    runs = stage.ended("pull_request_review", "submitted", pull)
    assert runs["ai_pr_review"].conclusion == "success", str(runs["ai_pr_review"])
    assert set(runs["ai_pr_review"].ran) == {"guard", "prepare", "agent", "review-apply"}
    assert runs["ai_repair_pr_review"].ran == {}
    assert [item["user"]["login"] for item in stage.owner.line_comments(stage.repository, pull)] == [
        "olga",
        "codex-bot",
    ]
    assert len(stage.owner.rest("GET", f"/repos/{stage.repository}/pulls/{pull}/commits")) == 3

    stage.owner.review(stage.repository, pull, "REQUEST_CHANGES", "sandbox-model: secret")
    leaky = stage.ended("pull_request_review", "submitted", pull)["ai_pr_review"]
    assert leaky.conclusion == "failure"
    assert leaky.ran["review-apply"] == "failure" and leaky.ran["report"] == "success", str(leaky)
    told = stage.answers(pull)[-1]
    assert "A rule stopped this run" in told and "leaked.py:1" in told
    assert "leaked.py:1" in leaky.summary and "ghp_0123" not in leaky.summary + leaky.log + told
    assert len(stage.owner.rest("GET", f"/repos/{stage.repository}/pulls/{pull}/commits")) == 3

    # The branch can't be deleted: that is said, and keeps nothing else from being given back.
    stage.github.fault("status", method="DELETE", path=".*/git/refs/.*", status=403, times=9)
    held = set(slots())
    stage.owner.merge(stage.repository, pull)
    cleanup = stage.ended("pull_request", "closed", pull)["ai_cleanup"]
    stage.github.no_faults()
    assert cleanup.conclusion == "failure" and cleanup.ran["cleanup"] == "failure"
    assert branch in cleanup.summary and branch in stage.owner.branches(stage.repository)
    told = stage.answers(pull)[-1]
    assert "Not everything could be given back" in told and branch in told
    assert stage.owner.read_issue(stage.repository, opening.page)["state"] == "closed"
    assert len(held - set(slots())) == 1
    again = stage.rerun(cleanup)
    assert again.conclusion == "success", str(again)
    assert branch not in stage.owner.branches(stage.repository)


def test_pull_request_of_a_fork_gets_no_agent_and_loses_no_branch(stage: WorkflowStage) -> None:
    fork = stage.github.repository("rita", "shelf", fork_of=stage.repository)
    stage.reader.push_files(fork, "main", {"page/cats.html": "cats\n"}, "Cats")
    pull = stage.reader.open_pull(stage.repository, "rita:main", "Cats")
    stage.owner.review(stage.repository, pull, "REQUEST_CHANGES", "Call the page Cats")
    run = stage.ended("pull_request_review", "submitted", pull)["ai_pr_review"]
    assert run.conclusion == "success" and run.ran == {"guard": "success"}, str(run)
    assert "forks" in run.summary and "rita/shelf" in run.summary
    stage.owner.close(stage.repository, pull)
    assert stage.ended("pull_request", "closed", pull)["ai_cleanup"].ran == {}
    assert "main" in stage.owner.branches(stage.repository) and "main" in stage.reader.branches(fork)


def test_repair_works_beside_staging_and_gives_it_back(stage: WorkflowStage, opening: Opening) -> None:
    run = stage.ended("issues", "labeled", opening.repair)["ai_repair_issue"]
    assert run.conclusion == "success", str(run)
    branch = f"codex/ai-repair-{opening.repair}"
    pull = stage.pull_of(branch)["number"]
    assert in_staging() == {"web", "codex"}

    stage.reader.review(stage.repository, pull, "REQUEST_CHANGES", "Call the page Mine")
    refused = stage.ended("pull_request_review", "submitted", pull)
    assert refused["ai_pr_review"].ran == {}
    assert refused["ai_repair_pr_review"].conclusion == "failure"
    assert refused["ai_repair_pr_review"].ran == {"guard": "failure", "report": "success"}
    told = stage.answers(pull)[-1]
    assert "A rule stopped this run" in told and "rita has read permission here" in told
    assert "rita has read permission here" in refused["ai_repair_pr_review"].summary

    stage.owner.review(stage.repository, pull, "REQUEST_CHANGES", "Call the page Dust")
    runs = stage.ended("pull_request_review", "submitted", pull)
    assert runs["ai_pr_review"].ran == {}
    assert runs["ai_repair_pr_review"].conclusion == "success", str(runs["ai_repair_pr_review"])
    assert len(stage.owner.rest("GET", f"/repos/{stage.repository}/pulls/{pull}/commits")) == 2

    stage.owner.merge(stage.repository, pull)
    cleanup = stage.ended("pull_request", "closed", pull)["ai_cleanup"]
    assert cleanup.conclusion == "success", str(cleanup)
    assert branch not in stage.owner.branches(stage.repository)
    until(
        lambda: {item["metadata"]["name"] for item in objects("deployments", STAGING)} == {"web"}, "the agent is gone"
    )

    # The next one fails; staging stays its own until somebody closes the issue.
    broken = stage.issue("Rust", "sandbox-model: fail", "[ai-repair]")
    run = stage.ended("issues", "labeled", broken)["ai_repair_issue"]
    assert run.conclusion == "failure"
    assert run.ran["agent"] == "failure" and run.ran["report"] == "success", str(run)
    (told,) = stage.answers(broken)
    assert "The agent ended with an error" in told and "Agent: agent_error" in run.summary
    assert in_staging() == {"web", "codex"}
    stage.owner.close(stage.repository, broken)
    assert stage.ended("issues", "closed", broken)["ai_cleanup"].conclusion == "success"
    until(
        lambda: {item["metadata"]["name"] for item in objects("deployments", STAGING)} == {"web"}, "the agent is gone"
    )


def test_stack_that_the_cluster_refuses_is_told_and_its_slot_given_back(stage: WorkflowStage) -> None:
    held = set(slots())
    with web_as(stage, lambda good: good.replace("port: 8080}]", "port: 99999}]"), "Port [skip ci]"):
        number = stage.issue("Goats", "plan a page about goats", "[ai-plan]")
        run = stage.ended("issues", "labeled", number)["ai_plan_issue"]
    assert run.conclusion == "failure"
    assert run.ran == {"guard": "success", "slot": "success", "deploy": "failure", "report": "success"}, str(run)
    (told,) = stage.answers(number)
    for text in (told, run.summary):
        assert "Service/web" in text and "99999" in text
    assert set(slots()) <= held


def test_staging_that_does_not_come_up_fails_with_the_reason(stage: WorkflowStage) -> None:
    with web_as(stage, lambda good: f"{good}---{FAILING_JOB}", "Sort the books"):
        run = stage.ended("push")["ai_staging_deploy"]
    assert run.conclusion == "failure" and run.ran == {"deploy": "failure"}, str(run)
    for text in (run.summary, str(run.annotations)):
        assert "Job/sort" in text, text
    assert "no such shelf: 7" in run.summary
    assert kubectl("-n", STAGING, "get", "job", "sort", "-o", "name").strip() == "job.batch/sort"
