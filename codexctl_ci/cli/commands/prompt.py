"""Commands of the agent: its text, its configuration, its run."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import CodexctlError, ConfigError

if TYPE_CHECKING:
    from codexctl_ci.operations.render_prompt import Gathered
    from codexctl_ci.operations.run_agent import AgentResult
    from codexctl_ci.prompts.brief import Brief
    from codexctl_ci.stack.project import Project

log = logging.getLogger(__name__)

_LAST = 10


def render(inv: Invocation) -> None:
    """``prompt render``: the prompt on stdout."""
    from codexctl_ci.cli.wiring.project import open_project

    project = open_project(inv)
    gathered = _gathered(inv)
    resumed = inv.settings[o.RESUME] or inv.settings[o.PROMPT_MODE] == "short"
    inv.print(_prompt(inv, project, gathered, resumed))


def config(inv: Invocation) -> None:
    """``prompt config``: the agent's config.toml on stdout."""
    from codexctl_ci.cli.wiring.agent import config_of
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.operations.render_prompt import Gathered

    project = open_project(inv)
    named = inv.settings[o.ISSUE] or inv.settings[o.PR]
    gathered = _gathered(inv) if named and inv.settings[o.KIND] else Gathered()
    in_pod = inv.settings[o.EXECUTOR] != "runner" if o.EXECUTOR.name in inv.settings.values else True
    inv.print(config_of(inv, project, gathered, in_pod=in_pod).toml)


def run(inv: Invocation) -> None:
    """``prompt run``: outputs ``conclusion thread_id final_message`` and what it used: ``input_tokens
    cached_input_tokens output_tokens cost``."""
    from codexctl_ci.cli.wiring.agent import config_of
    from codexctl_ci.cli.wiring.agent_run import open_run
    from codexctl_ci.operations.run_agent import AgentTask, Prepared, Prices, raise_failure, run_agent, run_key, spent

    kind = inv.settings[o.KIND]
    if not kind:
        raise ConfigError("no kind of work was named", hint="give --kind or CODEXCTL_KIND")
    gathered = _gathered(inv)
    place = open_run(inv, gathered, _say(inv))

    def prepare(resumed: bool) -> Prepared:
        made = config_of(inv, place.project, gathered, in_pod=place.in_pod, workdir=place.workdir)
        prompt = _prompt(inv, place.project, gathered, resumed, place.workdir)
        return Prepared(prompt, made.toml, made.variables)

    total, most = inv.settings[o.EXEC_TIMEOUT], inv.settings[o.MAX_MINUTES]
    prices = place.project.spec.codex.prices
    task = AgentTask(
        key=run_key(place.epoch, inv.settings[o.RUN_ID]),
        prepare=prepare,
        total_timeout=min(total, timedelta(minutes=most)) if most else total,
        idle_timeout=inv.settings[o.IDLE_TIMEOUT],
        resume=inv.settings[o.RESUME],
        change_is_kept=not kind.startswith("plan"),
        max_tokens=inv.settings[o.MAX_TOKENS],
        prices=Prices(float(prices.input), float(prices.cached_input or prices.input), float(prices.output))
        if prices
        else None,
    )
    begun = time.monotonic()
    with _folded(inv, "The agent at work"):
        result = run_agent(place.journal, place.runtime, task)
    log.info("the agent: %s", spent(result, time.monotonic() - begun))
    _tell(inv, result)
    try:
        raise_failure(result)
    except CodexctlError as error:
        # The issue's comment is to say what the log says.
        told = [
            str(error),
            *(["", "The agent's last lines:", *result.last_log_lines[-_LAST:]] if result.last_log_lines else []),
        ]
        inv.output(failure=inv.redact("\n".join(told)))
        raise


def _gathered(inv: Invocation) -> Gathered:
    from codexctl_ci.cli.wiring.github import open_github, read_event
    from codexctl_ci.github.reading import Reading
    from codexctl_ci.operations.render_prompt import Subject, gather

    settings = inv.settings
    event = read_event(inv)
    subject = Subject(settings[o.KIND], settings[o.ISSUE], settings[o.PR], settings[o.FOCUS_ISSUE], event)
    return gather(Reading(open_github(inv), event), subject)


def _prompt(inv: Invocation, project: Project, gathered: Gathered, resumed: bool, workdir: str = "/workspace") -> str:
    from codexctl_ci.cli.wiring.agent import brief_of
    from codexctl_ci.operations.render_prompt import render_prompt

    brief = brief_of(inv, project, gathered, resumed=resumed, workdir=workdir)
    template = inv.settings[o.TEMPLATE]
    return _from_template(project, brief, template) if template else render_prompt(brief)


def _from_template(project: Project, brief: Brief, name: str) -> str:
    """A project's own prompt: GitHub's texts are fenced in it as in ours."""
    from codexctl_ci.prompts.template_values import issue_comments, review_comments

    try:
        text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the prompt's template cannot be read", where=name, reason=str(error)) from None
    context = replace(project.context, issue_comments=issue_comments(brief), review_comments=review_comments(brief))
    return project.engine.render(text, context, file=name)


def _say(inv: Invocation) -> Callable[[str], None]:
    """Lines of the agent, on stderr: foreign text that the runner must not take for commands."""

    def say(line: str) -> None:
        sys.stderr.write(inv.redact(line) + "\n")
        sys.stderr.flush()

    return say


@contextmanager
def _folded(inv: Invocation, title: str) -> Iterator[None]:
    """What is said inside is one group of the log, where GitHub shows it."""
    shown = inv.environ.get("GITHUB_ACTIONS") == "true"
    if shown:
        sys.stderr.write(f"::group::{title}\n")
    try:
        yield
    finally:
        if shown:
            sys.stderr.write("::endgroup::\n")


def _tell(inv: Invocation, result: AgentResult) -> None:
    from codexctl_ci.operations.run_agent import used
    from codexctl_ci.prompts.fencing import between_marks
    from codexctl_ci.reporting.foreign_text import fenced

    inv.output(
        conclusion=result.conclusion,
        thread_id=result.thread_id,
        final_message=inv.redact(result.final_message),
        input_tokens=result.input_tokens,
        cached_input_tokens=result.cached_input_tokens,
        output_tokens=result.output_tokens,
        cost="" if result.cost is None else f"{result.cost:.4f}",
    )
    lines = [
        f"### Agent: {result.conclusion}",
        "",
        *([result.reason, ""] if result.reason else []),
        f"{used(result)}; thread `{result.thread_id or 'none'}`",
    ]
    if not result.green and result.last_log_lines:
        lines += ["", fenced(result.last_log_lines)]
        for line in between_marks("\n".join(result.last_log_lines), "last lines of the agent").splitlines():
            log.error("%s", line)
    inv.summary("\n".join(lines))
    if result.green:
        inv.print(result.final_message)
