"""What a wait has seen and how it ended, as data for the log, the job summary and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.readiness.verdict import Verdict
from codexctl_ci.stack.objects import Ref


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event of the cluster: ``kind`` is ``Normal`` or ``Warning``, ``count`` how often it came."""

    kind: str
    reason: str
    message: str
    about: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one object is not ready: the verdict, its newest events (oldest first) and its last log lines."""

    ref: Ref
    verdict: Verdict
    events: tuple[EventLine, ...] = ()
    log: tuple[str, ...] = ()
    log_of: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment of a wait: the verdict on each object so far, and the time since its start."""

    verdicts: Mapping[Ref, Verdict]
    elapsed: timedelta
    timeout: timedelta
    changed: tuple[Ref, ...] = ()

    @property
    def ready(self) -> int:
        return sum(verdict.ready for verdict in self.verdicts.values())


@dataclass(frozen=True, slots=True)
class WaitResult:
    """How a wait ended. ``failures`` holds what isn't ready, what failed for good first."""

    verdicts: Mapping[Ref, Verdict]
    elapsed: timedelta
    timed_out: bool = False
    failures: tuple[Failure, ...] = field(default=())

    @property
    def ready(self) -> bool:
        return not self.failures


def headline(result: WaitResult) -> str:
    """How the wait ended, in one line."""
    took, total = format_duration(result.elapsed), len(result.verdicts)
    if result.ready:
        return f"all {total} objects are ready after {took}"
    count, fatal = len(result.failures), sum(failure.verdict.fatal for failure in result.failures)
    how = "time is over" if result.timed_out else "waiting longer cannot help"
    some = f" ({fatal} failed for good)" if 0 < fatal < count else ""
    return f"{count} of {total} objects are not ready after {took}{some}: {how}"


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One line of ``status``. ``age`` is None for an object that isn't there."""

    ref: Ref
    verdict: Verdict
    age: timedelta | None = None
    images: tuple[str, ...] = ()
