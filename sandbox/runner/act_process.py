"""One `act` process: its command, its events, its end, and everything it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

MARK = "SANDBOX_RUN"
INTERRUPT_GRACE = timedelta(seconds=7.5)
TERMINATE_GRACE = timedelta(seconds=2.5)
Json = dict[str, Any]


@dataclass(frozen=True)
class ActCall:
    """What one act process is told. Secrets, variables and environment go into files below `folder`."""

    act: Path
    folder: Path
    project: Path
    workflow: str
    event: str
    payload: Json
    actor: str
    labels: Sequence[str]
    local_repositories: Sequence[str]
    variables: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    step_environment: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)
    mark: str

    def write_files(self) -> None:
        """Write what act reads; nobody else may."""
        files = {
            "event.json": self.payload,
            "secrets.yaml": dict(self.secrets),
            "variables.yaml": dict(self.variables),
            "environment.yaml": dict(self.step_environment),
        }
        for name, content in files.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(json.dumps(content))

    def forget_secrets(self) -> None:
        """Remove the files that hold secrets."""
        for name in ("secrets.yaml", "environment.yaml"):
            (self.folder / name).unlink(missing_ok=True)

    def command(self) -> list[str]:
        """Return act's command line. It holds no secret."""
        command = [
            str(self.act),
            self.event,
            "--json",
            "--no-cache-server",
            "--no-skip-checkout",
            "--no-recurse",
            "--workflows",
            f".github/workflows/{self.workflow}",
            "--eventpath",
            str(self.folder / "event.json"),
            "--secret-file",
            str(self.folder / "secrets.yaml"),
            "--var-file",
            str(self.folder / "variables.yaml"),
            "--env-file",
            str(self.folder / "environment.yaml"),
            "--action-cache-path",
            str(self.folder / "cache"),
            "--actor",
            self.actor,
            "--concurrent-jobs",
            "4",
        ]
        for label in self.labels:
            command += ["--platform", f"{label}=-self-hosted"]
        for item in self.local_repositories:
            command += ["--local-repository", item]
        return command


@dataclass
class Outcome:
    """What act's events said."""

    jobs: dict[str, str] = field(default_factory=dict)
    summaries: list[dict[str, str]] = field(default_factory=list)
    annotations: list[dict[str, str]] = field(default_factory=list)

    def take(self, event: Json) -> str:
        """Learn from one event; return it as a line for the log."""
        job = event.get("job", "")
        if "jobResult" in event:
            self.jobs[job] = event["jobResult"]
        if event.get("command") == "summary":
            part = {"job": job, "markdown": event.get("content", "")}
            # A step of a composite action and the step that uses the action report the same.
            if part not in self.summaries[-1:]:
                self.summaries.append(part)
        if event.get("command") in {"error", "warning", "notice"}:
            note = {"level": event["command"], "message": event.get("arg", ""), "job": job}
            self.annotations.append(note | {k: str(v) for k, v in event.get("kvPairs", {}).items()})
        text = str(event.get("msg", "")).rstrip("\n")
        mark = "  | " if event.get("raw_output") else ""
        return "\n".join(f"[{job}] {mark}{line}" if job else line for line in text.split("\n"))


class ActProcess:
    """A running act. It and all its steps can be cancelled as GitHub does it, or killed."""

    def __init__(self, call: ActCall, log: Path) -> None:
        call.write_files()
        self._call = call
        self._log = log
        self.outcome = Outcome()
        self.cancelled = False
        self.killed = False
        self._process = subprocess.Popen(
            call.command(),
            cwd=call.project,
            env={**call.environment, MARK: call.mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def follow(self, on_line: Callable[[str], None]) -> int:
        """Read until act ends; write the log; return act's exit code."""
        assert self._process.stdout is not None
        with self._log.open("w") as log:
            for line in self._process.stdout:
                try:
                    text = self.outcome.take(json.loads(line))
                except ValueError:
                    text = line.rstrip("\n")
                log.write(text + "\n")
                log.flush()
                on_line(text)
        code = self._process.wait()
        self._call.forget_secrets()
        kill_marked(self._call.mark)
        return code

    def cancel(self) -> None:
        """Cancel as GitHub's runner does: SIGINT to the running steps, later SIGTERM, then act's own cancellation.

        act by itself would kill a step without a warning, so the warning is given here.
        """
        self.cancelled = True
        steps = self._steps()
        for number, grace in ((signal.SIGINT, INTERRUPT_GRACE), (signal.SIGTERM, TERMINATE_GRACE)):
            for step in steps:
                send(step, number)
            # act goes on with the next step the moment this one ends; tell it at once.
            if steps and wait_any_gone(steps, grace):
                break
        send(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End act and every process of the run at once, as when a runner's machine is lost."""
        self.killed = True
        kill_marked(self._call.mark)
        send(self._process.pid, signal.SIGKILL)
        kill_marked(self._call.mark)

    def _steps(self) -> list[int]:
        return [pid for pid in marked(self._call.mark) if parent(pid) == self._process.pid]


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process; one that is gone is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def parent(pid: int) -> int:
    """Return a process's parent, 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def alive(pid: int) -> bool:
    """Say whether a process runs (a zombie doesn't)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_any_gone(pids: Sequence[int], limit: timedelta) -> bool:
    """Wait until one of the processes has ended; False where the time was up first."""
    end = time.monotonic() + limit.total_seconds()
    while time.monotonic() < end:
        if not all(alive(pid) for pid in pids):
            return True
        time.sleep(0.005)
    return False


def marked(mark: str) -> list[int]:
    """Return the processes that carry a run's mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def kill_marked(mark: str) -> None:
    """Kill what a run left behind."""
    for pid in marked(mark):
        send(pid, signal.SIGKILL)
