"""What a wait has seen and how it ended, as data for the log, the job summary and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

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
    """How a wait ended. ``failures`` is empty exactly where everything became ready."""

    verdicts: Mapping[Ref, Verdict]
    elapsed: timedelta
    timed_out: bool = False
    failures: tuple[Failure, ...] = field(default=())

    @property
    def ready(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One line of ``status``. ``age`` is None for an object that isn't there."""

    ref: Ref
    verdict: Verdict
    age: timedelta | None = None
    images: tuple[str, ...] = ()
