"""Commands that bring the agent's change to GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import AgentFailed, ConfigError

if TYPE_CHECKING:
    from codexctl_ci.operations.delivery import Delivered
    from codexctl_ci.prompts.results import Report

_CHECKS_FAILED = "Checks failed, so the pull request is a draft."
_NO_FILE = "The agent changed no file that may be published."


def publish(inv: Invocation) -> None:
    """``pr publish``: outputs ``conclusion commit branch pr_number``."""
    from codexctl_ci.cli.wiring.github import issue_number
    from codexctl_ci.cli.wiring.publishing import open_places, open_publishing
    from codexctl_ci.guardrails.branches import issue_branch
    from codexctl_ci.operations.publish_issue import publish_issue
    from codexctl_ci.reporting.pull_text import pull_body, pull_title

    _refuse_unless_publishable(inv)
    work = open_publishing(inv)
    issue = issue_number(inv) or work.record.issue
    if not issue:
        raise ConfigError("which issue is this for?", hint="give --issue or CODEXCTL_ISSUE_NUMBER")
    report = work.report(inv.settings[o.TITLE])
    title = pull_title(report, f"Work on issue #{issue}", work.secrets)
    branch = issue_branch(issue, repair=work.record.keeps_namespace)

    def comment(done: Delivered) -> dict[int, str]:
        text = work.note(done, _words(done, report))
        # A new pull request says it all in its description; an older one is told what came to it.
        told = [issue, *([done.pull.number] if done.pull and done.commit and not done.opened else [])]
        return dict.fromkeys(told, text)

    def body() -> str:
        return pull_body(report, work.frame(issue), work.secrets)

    delivery = work.delivery(branch, title, issue, checks_failed=report.checks == "failed")
    with open_places(work, comment) as places:
        done = publish_issue(places, delivery, title=title, body=body)
    work.slots.go.show(work.slots.store.read(work.record.slot) or work.record)
    _tell(inv, done)


def review_apply(inv: Invocation) -> None:
    """``pr review-apply``: outputs ``conclusion commit branch pr_number``."""
    from codexctl_ci.cli.wiring.github import open_github, read_event
    from codexctl_ci.cli.wiring.project import environment_of
    from codexctl_ci.cli.wiring.publishing import open_places, open_publishing
    from codexctl_ci.github.desk import Desk
    from codexctl_ci.github.reading import Reading
    from codexctl_ci.operations.render_prompt import event_time
    from codexctl_ci.operations.review_apply import Answers, require_own_pull
    from codexctl_ci.operations.review_apply import review_apply as apply
    from codexctl_ci.reporting.pull_text import common_answer, own_answers, pull_title

    _refuse_unless_publishable(inv)
    number = inv.settings[o.PR]
    if not number:
        raise ConfigError("which pull request?", hint="give --pr or CODEXCTL_PR_NUMBER")
    github = open_github(inv)
    pull = require_own_pull(Desk(github), number, repair=environment_of(inv) == "ai-repair")
    work = open_publishing(inv, branch=pull.head, pr=number)
    report = work.report(inv.settings[o.TITLE])
    title = pull_title(report, f"Answer the review of #{number}", work.secrets)
    event = read_event(inv)
    answers = Answers(
        round=_round(inv, event.get("review")),
        own=own_answers(report, work.secrets),
        common=lambda commit: common_answer(commit, report.no_change, work.secrets),
        as_of=event_time(event, Reading(github, event)),
        by_tool=work.project.spec.codex.review_mcp_enabled,
    )

    def comment(done: Delivered) -> dict[int, str]:
        return {number: work.note(done, _words(done, report) or report.body)}

    delivery = work.delivery(pull.head, title, work.record.issue, checks_failed=report.checks == "failed")
    with open_places(work, comment) as places:
        done = apply(places, delivery, pull, answers)
    work.slots.go.show(work.slots.store.read(work.record.slot) or work.record)
    _tell(inv, done)


def _refuse_unless_publishable(inv: Invocation) -> None:
    from codexctl_ci.operations.delivery import require_publishable

    try:
        require_publishable(inv.settings[o.CONCLUSION])
    except AgentFailed:
        # Publishing adds nothing to how the agent's run ended.
        inv.output(conclusion=inv.settings[o.CONCLUSION])
        raise


def _words(done: Delivered, report: Report) -> str:
    """What the comment adds: that checks failed, or the agent's reason, where nothing was changed."""
    if done.conclusion == "changed" and report.checks == "failed":
        return "\n\n".join(filter(None, (_CHECKS_FAILED, report.tested)))
    if done.conclusion != "no_change":
        return ""
    return "\n\n".join(dict.fromkeys(part for part in (report.no_change, report.body) if part)) or _NO_FILE


def _round(inv: Invocation, review: object) -> str:
    if isinstance(review, dict) and isinstance(review.get("id"), int):
        return f"review-{review['id']}"
    return f"run-{inv.settings[o.RUN_ID]}" if inv.settings[o.RUN_ID] else "by-hand"


def _tell(inv: Invocation, done: Delivered) -> None:
    from codexctl_ci.operations.delivery import raise_blocked
    from codexctl_ci.reporting.foreign_text import cell

    number = done.pull.number if done.pull else 0
    inv.output(conclusion=done.conclusion, branch=done.branch, commit=done.commit, pr_number=number or "")
    lines = [f"### {'Published' if done.commit else 'Nothing published'}: {done.conclusion}", ""]
    if done.commit:
        lines.append(f"- `{done.branch}` at `{done.commit[:12]}`, {len(done.files)} files")
    if done.pull:
        lines.append(f"- Pull request [#{number}]({done.pull.url})")
    lines += [f"- {cell(rule)}" for rule in done.rules]
    inv.summary("\n".join(lines))
    raise_blocked(done)
    if done.pull:
        inv.print(done.pull.url)
