"""A run of the real Codex whose connection or runner is lost is taken up again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.errors import ApiError
from codexctl_ci.ports import AgentEnding, ExecResult
from tests.support.codex_runs import Outliving, Run, child, environment, request, work
from tests.support.responses_server import Fault, execute, say, serve

__all__ = ["work"]


def test_second_run_with_the_same_key_joins(work: Path) -> None:
    with serve([[execute("sleep 3")], [say("Title: once")]]) as model:
        first = Run(work)
        endings: list[AgentEnding] = []
        thread = threading.Thread(target=lambda: endings.append(first(request(model))))
        thread.start()
        assert model.arrived.wait(20)
        second = Run(work)(request(model))
        thread.join(30)
        assert len(model.requests) == 2
    assert second.joined and not endings[0].joined
    assert second.final_message == endings[0].final_message == "Title: once"
    assert second.output_tokens == endings[0].output_tokens == 40


def test_finished_run_is_read_again_but_a_failed_one_starts_anew(work: Path) -> None:
    with serve([Fault(401, "bad"), Fault(401, "bad"), [say("good")], [say("never")]]) as model:
        run = Run(work)
        assert run(request(model)).conclusion == "agent_error"
        again = run(request(model))
        assert (again.conclusion, again.final_message, again.joined) == ("ended", "good", False)
        third = run(request(model))
        assert (third.final_message, third.joined) == ("good", True)
        assert len(model.requests) == 3


class Flaky(Outliving):
    """A place whose streams break after ``after`` bytes, again and again."""

    def __init__(self, env: dict[str, str], cwd: Path, after: int) -> None:
        super().__init__(env, cwd)
        self.after = after
        self.breaks = 0

    def execute(
        self,
        argv: object,
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        assert isinstance(argv, list)
        done = super().execute(argv, stdin=stdin, timeout=timeout)
        if on_stdout is None:
            return done
        if len(done.stdout) > self.after:
            self.breaks += 1
            on_stdout(done.stdout[: self.after])
            raise ApiError("the stream to the command broke", status=0, kind="StreamBroken")
        on_stdout(done.stdout)
        return ExecResult(done.code, b"", done.stderr)


class Killing(LocalPlace):
    """A place where the first command of each mode is killed with its container, half said."""

    def __init__(self, env: dict[str, str], cwd: Path) -> None:
        super().__init__(env, cwd)
        self.killed: set[str] = set()

    def execute(self, argv: Sequence[str], **options: object) -> ExecResult:
        mode = argv[2] if argv[1].endswith("agent.sh") else ""
        if mode in ("", "follow") or mode in self.killed:
            return super().execute(argv, **options)  # type: ignore[arg-type]
        self.killed.add(mode)
        return ExecResult(128 + 9, b"fini", b"")


def test_commands_that_are_killed_in_the_pod_are_repeated(work: Path) -> None:
    with serve([[say("Title: all said")]]) as model:
        place = Killing(environment(work), work)
        ending = Run(work, place)(request(model))
    assert (ending.conclusion, ending.final_message) == ("ended", "Title: all said")
    assert {"state", "start", "put", "tree"} <= place.killed


def test_lost_connections_lose_no_event_and_double_none(work: Path) -> None:
    with serve([[execute("echo one")], [execute("echo two", "call_2")], [say("Title: all there")]]) as model:
        place = Flaky(environment(work), work, 301)
        run = Run(work, place)
        ending = run(request(model))
    assert place.breaks > 2
    assert ending.final_message == "Title: all there"
    assert [line for line in run.lines if line.startswith("agent $")] == [
        "agent $ /bin/bash -lc 'echo one'",
        "agent $ /bin/bash -lc 'echo two'",
    ]


def test_run_that_was_killed_is_joined_by_the_next(work: Path) -> None:
    with serve([[execute("sleep 4; echo late > late.txt")], [say("Title: late")]]) as model:
        ours = child(work, model)
        assert ours.stdout is not None
        thread = ours.stdout.readline().strip()
        ours.kill()
        ours.wait(10)
        run = Run(work, Outliving(environment(work), work))
        ending = run(request(model))
        assert len(model.requests) == 2
    assert (ending.joined, ending.thread_id, ending.final_message) == (True, thread, "Title: late")
    assert (work / "late.txt").exists()
