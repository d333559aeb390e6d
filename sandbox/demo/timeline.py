"""Steps of the demo: what is being done, how long it took, what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox.bootstrap.progress import Progress


class Unmet(AssertionError):
    """Something that must be true of the demo is not."""


def demand(holds: object, what: str) -> None:
    """Raise Unmet with ``what`` unless it holds."""
    if not holds:
        raise Unmet(what)


@dataclass
class Step:
    """One step with its seconds and, when it is over, one line about what came of it.

    ``at`` is where it begins, in seconds since the demo began; ``own`` are seconds of our own code on the processor.
    """

    name: str
    seconds: float = 0.0
    detail: str = ""
    at: float = 0.0
    own: float = 0.0


@dataclass
class Report:
    """What the demo found out, as it is written to report.json."""

    conclusion: str = "failed"
    slot: int = 0
    namespace: str = ""
    pr_number: int = 0
    branch: str = ""
    commits: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)
    own_seconds: float = 0.0
    seconds: float = 0.0
    commands: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    failure: str = ""

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")


class Timeline:
    """Says each step when it begins and when it is over, and keeps it in the report."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self.report = report
        self._progress = progress
        self._begun = time.monotonic()
        self.began = time.time()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """One step; the body sets ``detail``."""
        begun = time.monotonic()
        step = Step(name, at=round(begun - self._begun, 1))
        self.report.steps.append(step)
        self._progress.say(f"{name} ...")
        try:
            with self._progress.beating(name):
                yield step
        finally:
            step.seconds = round(time.monotonic() - begun, 1)
        self._progress.say(f"{name}: {step.detail or 'done'} ({step.seconds:.1f} s)")

    def close(self) -> None:
        """Print the whole as a table."""
        self.report.seconds = round(time.monotonic() - self._begun, 1)
        width = max(len(step.name) for step in self.report.steps)
        print("\n" + "step".ljust(width) + "   seconds   what came of it")
        for step in self.report.steps:
            print(f"{step.name.ljust(width)}  {step.seconds:8.1f}   {step.detail}")
        print(f"{'all'.ljust(width)}  {self.report.seconds:8.1f}   our own code: {self.report.own_seconds:.1f} s")
