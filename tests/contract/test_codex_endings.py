"""How a run of the real Codex is ended: by time, by its limit, by whoever started it."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.codex.remote import Pace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.ports import AgentEnding
from tests.support.codex_runs import Run, child, environment, request, work
from tests.support.responses_server import Hang, execute, say, serve

__all__ = ["work"]


def test_total_timeout_ends_the_whole_tree(work: Path) -> None:
    with serve([[execute("setsid sleep 600 & sleep 600")], [say("never")]]) as model:
        run = Run(work)
        ending = run(request(model, total_timeout=timedelta(seconds=3)))
    assert ending.conclusion == "timeout" and "3" in ending.reason
    assert run.processes() == []


def test_silent_agent_gives_a_sign_of_life_every_minute(work: Path) -> None:
    # A clock on which a minute lasts a second.
    pace = Pace(first=timedelta(seconds=0.05), clock=lambda: time.monotonic() * 60)
    with serve([[execute("sleep 4")], [say("done")]]) as model:
        run = Run(work)
        runtime = CodexRuntime(run.place, str(work), run.lines.append, pace)
        ending = runtime.run(request(model, total_timeout=timedelta(hours=1)), run.threads.append)
    assert ending.conclusion == "ended"
    beats = [line for line in run.lines if "still at work after" in line]
    assert 1 <= len(beats) <= 4 and all("steps done" in line for line in beats), run.lines


def test_idle_timeout_ends_a_model_that_hangs(work: Path) -> None:
    with serve([Hang()]) as model:
        run = Run(work)
        ending = run(request(model, idle_timeout=timedelta(seconds=2)))
    assert ending.conclusion == "timeout" and "no sign of life" in ending.reason
    assert run.processes() == []


def test_limit_of_tokens_stops_the_run_and_tells_what_it_used(work: Path) -> None:
    def on_and_on(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [execute("sleep 2", f"call_{len(body['input'])}")]

    with serve([on_and_on]) as model:
        run = Run(work)
        ending = run(request(model, max_tokens=200))
        assert (ending.conclusion, ending.stopped) == ("timeout", True) and "200 tokens" in ending.reason
        used = ending.input_tokens + ending.output_tokens
        assert 200 <= used < 1000 and used % 120 == 0 and ending.cached_input_tokens > 0
        assert run.processes() == []
    with serve([[execute("true")], [say("Title: more")]]) as model:
        # The limit is the run's own, also where the thread has used as much before.
        again = run(request(model, "run-2", resume=ending.thread_id, max_tokens=300))
    assert again.conclusion == "ended"


def test_orphan_that_holds_the_stream_does_not_keep_us(work: Path) -> None:
    with serve([[execute("setsid sleep 600 >/dev/null 2>&1 &")], [say("Title: x")]]) as model:
        run = Run(work)
        begun = time.monotonic()
        assert run(request(model)).conclusion == "ended"
        assert time.monotonic() - begun < 30
    assert run.processes() == []


def test_cancel_ends_the_agents_tree(work: Path) -> None:
    with serve([[execute("setsid sleep 600 & sleep 600")], [say("never")]]) as model:
        ours = child(work, model)
        assert ours.stdout is not None
        ours.stdout.readline()
        assert model.arrived.wait(20)
        run = Run(work)
        assert run.processes()
        ours.send_signal(signal.SIGINT)
        ours.wait(30)
        assert run.processes() == []


def test_agent_on_the_runner_ends_with_us(work: Path) -> None:
    with serve([[execute("sleep 600")], [say("never")]]) as model:
        owner = subprocess.Popen(["sleep", "600"])

        class Owned(LocalPlace):
            def owner(self) -> int:
                return owner.pid

        endings: list[AgentEnding] = []
        run = Run(work, Owned(environment(work), work))
        thread = threading.Thread(target=lambda: endings.append(run(request(model))))
        thread.start()
        assert model.arrived.wait(20)
        owner.kill()
        owner.wait(10)
        thread.join(30)
    assert endings[0].conclusion == "infra_error" and run.processes() == []
