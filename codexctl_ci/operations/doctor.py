"""Is everything there that the workflows need? Many small checks at once, each bounded, each with what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.steady_clock import steady_seconds


class Level(StrEnum):
    """``warn``: it works, but somebody should know. ``skip``: it could not be looked at from here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``area`` is ``here``, ``project``, ``cluster``, ``images`` or ``github``.

    ``paste`` is a text of several lines that mends it, for whoever may.
    """

    area: str
    what: str
    level: Level
    words: str
    advice: str = ""
    paste: str = ""


@dataclass(frozen=True)
class Check:
    """``look`` returns what it found; an error of ours in it is a finding of level ``on_error``."""

    area: str
    what: str
    look: Callable[[], Iterable[Finding]]
    on_error: Level = Level.FAIL


def examine(checks: Sequence[Check], limit: timedelta = timedelta(seconds=30)) -> list[Finding]:
    """The findings of all checks, in their order. A check that takes longer than ``limit`` is a warning."""
    results: dict[int, list[Finding]] = {}

    def work(number: int, check: Check) -> None:
        try:
            found = list(check.look())
        except CodexctlError as error:
            words = error.what + (f": {error.reason}" if error.reason else "")
            found = [Finding(check.area, check.what, check.on_error, words, error.hint)]
        results[number] = found

    # Daemons: one that hangs must not keep the process.
    threads = [
        threading.Thread(target=work, args=(number, check), name=f"doctor-{check.what}", daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end = steady_seconds() + limit.total_seconds()
    for thread in threads:
        thread.join(max(0.0, end - steady_seconds()))
    found: list[Finding] = []
    for number, check in enumerate(checks):
        late = Finding(check.area, check.what, Level.WARN, f"no answer in {limit.total_seconds():.0f} s")
        found += results.get(number, [late])
    return found


def failed(findings: Iterable[Finding]) -> bool:
    """Whether something that is needed is missing."""
    return any(finding.level is Level.FAIL for finding in findings)
