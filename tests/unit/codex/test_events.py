"""The event stream as foreign input."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexctl_ci.codex.events import LINE_LIMIT, Event, EventReader, Noise, RunView, parse_line
from codexctl_ci.codex.progress import describe, plain_lines
from codexctl_ci.codex.remote import RunState
from codexctl_ci.codex.session import judge
from codexctl_ci.ports import AgentRequest

THREAD = "01a1fd84-0ff6-7581-b8b0-763598be3ca9"
STREAM = (
    "\n".join(
        json.dumps(event)
        for event in [
            {"type": "thread.started", "thread_id": THREAD},
            {"type": "turn.started"},
            {"type": "item.started", "item": {"type": "command_execution", "command": "ls"}},
            {"type": "item.completed", "item": {"type": "command_execution", "command": "ls", "exit_code": 2}},
            {"type": "item.completed", "item": {"type": "agent_message", "text": "first"}},
            {"type": "item.completed", "item": {"type": "agent_message", "text": "last ☃"}},
            {"type": "turn.completed", "usage": {"input_tokens": 7, "cached_input_tokens": 3, "output_tokens": 5}},
        ]
    )
    + "\n"
).encode()


def view_of(data: bytes, sizes: list[int]) -> RunView:
    reader, view, rest = EventReader(), RunView(), data
    for size in [*sizes, len(data)]:
        piece, rest = rest[:size], rest[size:]
        for event in reader.feed(piece):
            assert isinstance(event, Event)
            view.take(event)
    return view


@given(st.lists(st.integers(1, 40), max_size=30))
def test_pieces_of_any_size_give_the_same_run(sizes: list[int]) -> None:
    view = view_of(STREAM, sizes)
    assert (view.thread_id, view.final_message, view.completed) == (THREAD, "last ☃", True)
    assert (view.input_tokens, view.cached_input_tokens, view.output_tokens) == (7, 3, 5)


@given(st.binary(max_size=300))
def test_no_line_breaks_the_reader(line: bytes) -> None:
    reader, view = EventReader(), RunView()
    for entry in [*reader.feed(line + b"\n"), *reader.close()]:
        if isinstance(entry, Event):
            view.take(entry)
        describe(entry)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "thread.started", "thread_id": 7}',
        b'{"type": "thread.started", "thread_id": "../../etc"}',
        b'{"type": "thread.started"}',
        b'{"type": "turn.completed", "usage": [1]}',
        b'{"type": "turn.completed", "usage": {"input_tokens": -5, "output_tokens": true}}',
        b'{"type": "item.completed", "item": "x"}',
        b'{"type": "item.completed", "item": {"type": "file_change", "changes": [1, {"path": 7}]}}',
        b'{"type": "turn.failed", "error": "x"}',
        b'{"type": 7}',
        b"[" * 100_000,
    ],
)
def test_events_of_a_wrong_shape_mean_nothing(line: bytes) -> None:
    entry = parse_line(line)
    describe(entry)
    view = RunView()
    if isinstance(entry, Event):
        view.take(entry)
    assert (view.thread_id, view.final_message, view.input_tokens, view.output_tokens) == ("", "", 0, 0)


def test_endless_line_is_left_out_and_the_next_is_read() -> None:
    reader = EventReader()
    found = [entry for _ in range(3) for entry in reader.feed(b"x" * (LINE_LIMIT // 2))]
    found += list(reader.feed(b'end\n{"type":"turn.started"}\n'))
    assert (
        len(found) == 2 and isinstance(found[0], Noise) and found[1] == Event("turn.started", {"type": "turn.started"})
    )


@given(st.text(max_size=200))
def test_no_line_of_the_log_is_a_command_or_moves_the_cursor(text: str) -> None:
    event = Event("item.completed", {"item": {"type": "agent_message", "text": text}})
    for line in [*describe(event), *describe(Noise(text))]:
        assert line.startswith("agent ")
        assert "##[" not in line and line.isprintable()
        assert len(line.splitlines()) == 1
        line.encode()


def test_commands_to_the_runner_are_disarmed() -> None:
    text = "::add-mask::x\r::set-env name=A::b\n\x1b[2J##[group]x\u2028::error::y"
    lines = describe(Event("item.completed", {"item": {"type": "agent_message", "text": text}}))
    assert lines == [
        "agent > ::add-mask::x",
        "agent > ::set-env name=A::b",
        "agent > # #[group]x",
        "agent > ::error::y",
    ]


def test_long_output_is_cut() -> None:
    assert list(plain_lines("\n".join("abc"), most=2)) == ["a", "b", "… 1 more lines"]
    assert len(next(iter(plain_lines("x" * 1000)))) == 300


REQUEST = AgentRequest("k", "p", "", timedelta(hours=1), timedelta(minutes=15))


@pytest.mark.parametrize(
    ("view", "state", "stderr", "conclusion", "words"),
    [
        (RunView(completed=True), RunState("finished", 0, "ended"), [], "ended", ""),
        (RunView(completed=True), RunState("finished", 1, "ended"), [], "agent_error", "exit code 1"),
        (RunView(), RunState("finished", 0, "ended"), [], "agent_error", "middle of its turn"),
        (RunView(), RunState("finished", 1, "full"), ["x"], "agent_error", "no room is left"),
        (RunView(completed=True), RunState("finished", 0, "full"), [], "ended", ""),
        (RunView(), RunState("finished", 137, "tokens"), [], "timeout", "limit of"),
        (RunView(failed="429 slow down"), RunState("finished", 1, "ended"), ["x"], "agent_error", "429 slow down"),
        (RunView(), RunState("finished", 1, "ended"), ["Error: no rollout", ""], "agent_error", "no rollout"),
        (RunView(completed=True), RunState("finished", 143, "total"), [], "timeout", "1h00m"),
        (RunView(), RunState("finished", 143, "idle"), [], "timeout", "15m"),
        (RunView(), RunState("finished", 137, "ended"), [], "infra_error", "memory"),
        (RunView(), RunState("finished", 127, "ended"), ["sh: npx: not found"], "infra_error", "npx"),
        (RunView(), RunState("finished", 137, "killed"), [], "infra_error", "from outside"),
        (RunView(), RunState("finished", 143, "owner"), [], "infra_error", "from outside"),
    ],
)
def test_every_ending_has_its_truthful_conclusion(
    view: RunView, state: RunState, stderr: list[str], conclusion: str, words: str
) -> None:
    found, reason = judge(view, state, REQUEST, stderr)
    assert found == conclusion and words in reason
