"""Commands that speak to GitHub alone."""

from __future__ import annotations

import logging
from dataclasses import replace

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.github import branch_name, issue_number, open_github, read_event
from codexctl_ci.errors import AgentFailed, ConfigError
from codexctl_ci.guardrails.branches import is_safe, issue_of

log = logging.getLogger(__name__)


def guard(call: Invocation) -> None:
    """``guard``: output ``allowed``."""
    from codexctl_ci.github.people import person
    from codexctl_ci.guardrails.consent import judge_event, may_be_ours
    from codexctl_ci.operations.guard import guard as decide

    event = read_event(call)
    call.output(allowed=False)
    # A fork's run has no secrets: what the event alone decides must not need a token.
    verdict = judge_event(event, call.settings[o.REPO], "")
    if verdict.allowed or not verdict.quiet:
        github = open_github(call)
        verdict = decide(
            event,
            actor=call.settings[o.ACTOR],
            repo=github.repo,
            own_login=github.login() if may_be_ours(event) else "",
            allowed_users=call.settings[o.ALLOWED_USERS],
            look_up=lambda login: person(github, login),
            is_open=lambda number: (github.find(f"issues/{number}") or {}).get("state") == "open",
        )
    call.output(allowed=verdict.allowed)
    if not verdict.allowed:
        log.info("nothing to do: %s", verdict.reason)
        call.summary(f"### Nothing to do\n\n{verdict.reason}")


def resolve_root(call: Invocation) -> None:
    """``plan resolve-root``: outputs ``root`` and ``focus``."""
    from codexctl_ci.operations.plan_root import PlanIssue
    from codexctl_ci.operations.plan_root import resolve_root as resolve

    start = call.settings[o.FOCUS_ISSUE] or call.settings[o.ISSUE]
    if not start:
        raise ConfigError("no issue to start from", hint="give --issue or CODEXCTL_ISSUE_NUMBER")
    github = open_github(call)

    def read(number: int) -> PlanIssue | None:
        found = github.find(f"issues/{number}")
        if found is None:
            return None
        return PlanIssue(number, tuple(label["name"] for label in found["labels"]), found["body"] or "")

    root = resolve(start, read)
    call.output(root=root, focus=start)
    call.print(str(root))


def detect_pr(call: Invocation) -> None:
    """``pr detect``: outputs ``codexctl_pr_number`` and ``head`` (the branch, where it is on the server)."""
    from codexctl_ci.github import pulls

    branch = branch_name(call)
    if not is_safe(branch):
        raise ConfigError(f"{branch!r} is not a branch name that is used here")
    github = open_github(call)
    if pulls.branch_exists(github, branch):
        call.output(head=branch)
    found = pulls.find_by_head(github, branch)
    if found is None:
        log.info("%s has no open pull request", branch)
        return
    call.output(codexctl_pr_number=found.number)
    call.print(str(found.number))


def close_linked_issue(call: Invocation) -> None:
    """``manage-env close-linked-issue``: close the issue that an agent's branch, or a merged pull request, names."""
    from codexctl_ci.github import pulls

    github = open_github(call)
    number = issue_number(call)
    if call.settings[o.PR]:
        pull = pulls.get(github, call.settings[o.PR])
        if pull is None or not pull.own or not pull.merged:
            log.info("pull request #%d was not merged from a branch of ours: no issue is closed", call.settings[o.PR])
            return
        number = issue_of(pull.head)
    if not number:
        log.info("%s belongs to no issue", call.settings[o.BRANCH] or "this")
        return
    found = github.find(f"issues/{number}")
    if found is None or found["state"] == "closed":
        log.info("issue #%d is closed already", number)
        return
    github.call("PATCH", f"issues/{number}", {"state": "closed", "state_reason": "completed"})
    log.info("issue #%d closed", number)


def delete_branch(call: Invocation) -> None:
    """``manage-env delete-branch``: of this repository's agents' branches, the one named; no other ever."""
    from codexctl_ci.github import pulls

    github = open_github(call)
    branch = call.settings[o.BRANCH]
    if call.settings[o.PR]:
        pull = pulls.get(github, call.settings[o.PR])
        if pull is None or not pull.own or pull.state == "open" or not issue_of(pull.head):
            log.info("pull request #%d has no agent's branch to delete", call.settings[o.PR])
            return
        branch = pull.head
    branch = branch or branch_name(call)
    if pulls.delete_agent_branch(github, branch):
        log.info("branch %s deleted", branch)
    else:
        log.info("branch %s is gone already", branch)


def comment_issue(call: Invocation) -> None:
    """``manage-env comment``: our comment of the topic on the issue, written or updated."""
    number = issue_number(call) or call.settings[o.FOCUS_ISSUE]
    _comment(call, number, "no issue to comment on", "give --issue or CODEXCTL_ISSUE_NUMBER")


def comment_pr(call: Invocation) -> None:
    """``manage-env comment-pr``: the same on a pull request."""
    _comment(call, call.settings[o.PR], "no pull request to comment on", "give --pr or CODEXCTL_PR_NUMBER")


def _comment(call: Invocation, number: int, missing: str, hint: str) -> None:
    from codexctl_ci.cli.wiring.notes import note_of, own_secrets
    from codexctl_ci.github import comments
    from codexctl_ci.prompts.planning import missing_parts
    from codexctl_ci.reporting.issue_comment import render_note, safe_words

    if not number:
        raise ConfigError(missing, hint=hint)
    github = open_github(call)
    settings, secrets = call.settings, own_secrets(call)
    if settings[o.TOPIC] == "plan":
        plan = settings[o.FINAL_MESSAGE] or settings[o.BODY]
        if not plan.strip():
            raise AgentFailed("the agent left no plan", hint="its last lines are in the log of its job")
        if lacking := missing_parts(plan):
            log.warning("the plan has no part on %s", ", ".join(lacking))
        body = safe_words(plan, secrets, limit=60_000)
    elif settings[o.BODY]:
        body = safe_words(settings[o.BODY], secrets, limit=60_000)
    else:
        note = note_of(call)
        failed = settings[o.FAILURE]
        if failed and note.conclusion in ("", "changed", "no_change"):
            note = replace(note, conclusion="infra_error")
        body = render_note(replace(note, failure=failed), secrets)
    url = comments.upsert(github, number, settings[o.TOPIC], body)
    call.print(url)
