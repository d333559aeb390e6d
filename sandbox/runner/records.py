"""What is kept of each run, and waiting for it."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

Conclusion = Literal["", "success", "skipped", "failure", "cancelled", "killed", "startup_failure"]


@dataclass
class Run:
    """One run of one workflow. `jobs` maps act's job names to their result; `summary` is all jobs' Markdown,
    `summaries` the same in parts, each with its `job`."""

    id: int
    delivery: str
    workflow: str
    name: str
    event: str
    action: str
    repository: str
    number: int | None
    actor: str
    triggering_actor: str
    attempt: int = 1
    sha: str = ""
    status: Literal["queued", "in_progress", "completed"] = "queued"
    conclusion: Conclusion = ""
    reason: str = ""
    log: str = ""
    jobs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    summaries: list[dict[str, str]] = field(default_factory=list)
    annotations: list[dict[str, str]] = field(default_factory=list)
    started: float = 0
    seconds: float = 0


@dataclass
class Received:
    """A webhook that arrived, and the runs that it started."""

    id: str
    event: str
    payload: dict[str, Any]
    runs: list[int] = field(default_factory=list)
    settled: bool = False


class Records:
    """Runs and webhooks, shared between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[int, Run] = {}
        self.received: dict[str, Received] = {}
        self._changed = threading.Condition()

    def add(self, run: Run) -> None:
        """Store a new run."""
        with self._changed:
            self.runs[run.id] = run
            self.received[run.delivery].runs.append(run.id)
            self._changed.notify_all()

    def change(self, run: Run, **values: Any) -> None:
        """Set fields of a run."""
        with self._changed:
            for name, value in values.items():
                setattr(run, name, value)
            self._changed.notify_all()

    def receive(self, received: Received) -> None:
        """Store a webhook."""
        with self._changed:
            self.received[received.id] = received
            self._changed.notify_all()

    def settle(self, received: Received) -> None:
        """Say that all runs of a webhook are known."""
        with self._changed:
            received.settled = True
            self._changed.notify_all()

    def finished(self, delivery: str) -> bool:
        """Say whether a webhook has arrived and all its runs are over."""
        found = self.received.get(delivery)
        if found is None or not found.settled:
            return False
        return all(self.runs[item].status == "completed" for item in found.runs)

    def wait(self, delivery: str, limit: timedelta) -> bool:
        """Wait until a webhook's runs are over; False where the time was up first."""
        end = time.monotonic() + limit.total_seconds()
        with self._changed:
            while not self.finished(delivery):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def of(self, delivery: str) -> list[dict[str, Any]]:
        """Return a webhook's runs as plain data."""
        found = self.received.get(delivery)
        return [asdict(self.runs[item]) for item in found.runs] if found else []
