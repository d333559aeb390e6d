"""Hooks of a stack: bash scripts and built-in actions around apply and destroy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from codexctl_ci.durations import format_duration, parse_duration
from codexctl_ci.errors import CodexctlError, ConfigError

log = logging.getLogger(__name__)

_OFF = frozenset({"", "false", "0", "no"})
_LAST_LINES = 10
# The script comes by stdin and not as an argument: it may hold secrets, and arguments are seen by everybody. For the
# script stdin is at its end then.
_BASH = ("bash", "-lc", 'eval "$(cat)"')


class Step(Protocol):
    """One rendered step of services.yaml (``stack.schema.HookStep``)."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> str | None: ...
    @property
    def use(self) -> str | None: ...
    @property
    def with_(self) -> Mapping[str, str]: ...
    @property
    def when(self) -> str | None: ...
    @property
    def continue_on_error(self) -> bool: ...
    @property
    def timeout(self) -> timedelta | None: ...


class Ended(Protocol):
    """How a process ended (``process.Finished``)."""

    @property
    def code(self) -> int: ...
    @property
    def timed_out(self) -> bool: ...


class RunProcess(Protocol):
    """What starts programs (``process.run``)."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        timeout: timedelta | None = None,
        on_line: Callable[[str], None] | None = None,
        with_strays: bool = False,
    ) -> Ended: ...


Action = Callable[[Mapping[str, str], timedelta | None], None]
"""A built-in action: its arguments, and the time the step gives it. Raises CodexctlError where it fails."""


class HookFailed(CodexctlError):
    """A hook failed, and it isn't one that may."""


@dataclass
class Hooks:
    """Runs the steps of each stage, each step once: a retry goes on after the last finished one.

    ``environ`` and ``root`` are what scripts see as environment and working directory. ``actions`` holds the built-in
    ones by the name that ``use`` gives. The lines of scripts go to the log, behind the step's name.
    """

    run_process: RunProcess
    root: Path
    environ: Mapping[str, str]
    actions: Mapping[str, Action]
    finished: set[tuple[str, str, int]] = field(default_factory=set)

    def run(self, stage: str, owner: str, steps: Sequence[Step]) -> None:
        """Run ``steps`` of ``stage`` (``beforeApply``) of ``owner`` (``service api``; empty for the stack) in order.

        Raises HookFailed for the first that fails and may not.
        """
        for place, step in enumerate(steps):
            if (stage, owner, place) in self.finished:
                continue
            title = " ".join(part for part in (owner, stage, step.name or step.use or f"#{place + 1}") if part)
            if step.when is not None and step.when.strip().lower() in _OFF:
                log.debug("hook %s: left out, `when` says no", title)
                continue
            try:
                self._one(title, step)
            except CodexctlError as error:
                if not step.continue_on_error:
                    raise
                log.warning("hook %s failed, going on as it may: %s", title, error)
            self.finished.add((stage, owner, place))

    def _one(self, title: str, step: Step) -> None:
        log.info("hook %s", title)
        if step.run:
            self._script(title, step.run, step.timeout)
            return
        action = self.actions.get(step.use or "")
        if action is None:
            known = ", ".join(sorted(self.actions))
            raise ConfigError(f"there is no hook action {step.use!r}", obj=f"hook {title}", hint=f"known are: {known}")
        action(step.with_, step.timeout)

    def _script(self, title: str, script: str, timeout: timedelta | None) -> None:
        last: list[str] = []

        def show(line: str) -> None:
            # The prefix keeps a line from being a workflow command, but for the old form, which may stand anywhere.
            plain = line.replace("##[", "## [")
            log.info("%s | %s", title, plain)
            last.append(plain)
            del last[:-_LAST_LINES]

        try:
            ended = self.run_process(
                _BASH,
                env=self.environ,
                cwd=self.root,
                stdin=script.encode(),
                timeout=timeout,
                on_line=show,
                with_strays=True,
            )
        except FileNotFoundError:
            raise HookFailed("bash is missing", obj=f"hook {title}", hint="install bash where this runs") from None
        if ended.timed_out and timeout is not None:
            raise HookFailed(
                f"did not end within {format_duration(timeout)}",
                obj=f"hook {title}",
                reason="\n".join(last),
                hint="raise its `timeout`, or look at what it waited for",
            )
        if ended.code != 0:
            raise HookFailed(
                f"ended with exit code {ended.code}",
                obj=f"hook {title}",
                reason="\n".join(last),
                hint="repair the script, or set `continueOnError` where its failure doesn't matter",
            )


def sleep_action(pause: Callable[[float], object]) -> Action:
    """``sleep {duration}``."""

    def sleep(arguments: Mapping[str, str], timeout: timedelta | None) -> None:
        text = str(arguments.get("duration") or "")
        try:
            length = parse_duration(text)
        except ValueError as error:
            raise ConfigError(str(error), obj="hook sleep") from None
        pause((min(length, timeout) if timeout else length).total_seconds())

    return sleep


def comment_action(comment: Callable[[int, str], object] | None, issue: int, pr: int) -> Action:
    """``github.comment {body, issue|pr}``; without a number the run's own issue or pull request."""

    def post(arguments: Mapping[str, str], _timeout: timedelta | None) -> None:
        text = str(arguments.get("issue") or arguments.get("pr") or issue or pr or "").removeprefix("#")
        body = str(arguments.get("body") or "").strip()
        if not (text.isascii() and text.isdigit() and int(text)):
            raise ConfigError("no issue or pr to comment on", obj="hook github.comment", hint="give `issue` or `pr`")
        if not body:
            raise ConfigError("the comment has no body", obj="hook github.comment")
        if comment is None:
            raise ConfigError("no token for GitHub", obj="hook github.comment", hint="set CODEXCTL_GH_PAT")
        comment(int(text), body)

    return post
