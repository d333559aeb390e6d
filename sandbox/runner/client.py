"""A client of the runner: wait for what an event started, look at it, end it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.github.client import GitHub, exchange

Json = Any


class NotInTime(TimeoutError):
    """A run wasn't over in time."""


@dataclass(frozen=True)
class Runner:
    """The runner, from outside."""

    url: str
    secret: str = field(repr=False)
    github: GitHub

    @classmethod
    def from_state(cls, folder: Path, github: GitHub) -> Runner:
        """Find a runner by the state folder it was started with."""
        note = json.loads((folder / "address.json").read_text())
        return cls(note["url"], note["secret"], github)

    def delivery(self, event: str, action: str = "", number: int | None = None) -> str:
        """Return the id of the newest webhook of this kind; LookupError where there was none."""
        for item in reversed(self.github.events()):
            payload = item["payload"]
            about = payload.get("issue") or payload.get("pull_request") or {}
            same = item["event"] == event and payload.get("action", "") == action
            if same and number in {None, about.get("number")}:
                return str(item["id"])
        raise LookupError(f"no webhook {event} {action} {number or ''}")

    def wait(self, delivery: str, limit: timedelta = timedelta(minutes=5)) -> list[Json]:
        """Wait until all runs of a webhook are over; return them. Raise NotInTime."""
        end = time.monotonic() + limit.total_seconds()
        while True:
            left = min(20.0, max(end - time.monotonic(), 0))
            answer = exchange("GET", f"{self.url}/deliveries/{delivery}?seconds={left}", self.secret)
            if answer["over"]:
                return list(answer["runs"])
            if time.monotonic() >= end:
                running = [item["workflow"] for item in answer["runs"] if item["status"] != "completed"]
                raise NotInTime(f"still running after {limit}: {', '.join(running) or 'not started'}")

    def wait_for(
        self, event: str, action: str = "", number: int | None = None, limit: timedelta = timedelta(minutes=5)
    ) -> list[Json]:
        """Wait for the runs of the newest webhook of this kind."""
        return self.wait(self.delivery(event, action, number), limit)

    def runs(self) -> list[Json]:
        """Return all runs so far."""
        return list(exchange("GET", f"{self.url}/runs", self.secret))

    def log(self, run_id: int) -> str:
        """Return a run's log, as far as it is."""
        return str(exchange("GET", f"{self.url}/runs/{run_id}/log", self.secret)["log"])

    def cancel(self, run_id: int) -> None:
        """Cancel a run as a person does on GitHub."""
        exchange("POST", f"{self.url}/runs/{run_id}/cancel", self.secret)

    def kill(self, run_id: int) -> None:
        """Lose the machine under a run."""
        exchange("POST", f"{self.url}/runs/{run_id}/kill", self.secret)

    def rerun(self, run_id: int, actor: str) -> str:
        """Run it once more for somebody; return what to `wait` for."""
        return str(exchange("POST", f"{self.url}/runs/{run_id}/rerun", self.secret, {"actor": actor})["delivery"])
