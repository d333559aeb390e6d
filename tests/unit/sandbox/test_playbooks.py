"""Playbooks: what comes next, from the transcript alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.model.playbooks import Answer, BadPlaybook, Broken, Command, Playbook, Step, load, next_move
from sandbox.model.transcript import read_turn

BOOK = Playbook(
    name="greet",
    when=r"greet in (?P<language>\w+)",
    steps=(
        Step(run="look @language@", match=r"found (?P<file>\S+)", retries=1, pause=3),
        Step(run="edit @file@ @word@"),
        Step(run="test", expect=(0, 5)),
    ),
    tables={"word": {"from": "language", "German": "it's"}},
    final="edited @file@ for @language@",
    failed="@command@ gave @code@: @output@",
)


def body(*outputs: str, prompt: str = "please greet in German") -> dict[str, Any]:
    """A request whose commands printed these outputs, one after the other."""
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "<environment_context>x</environment_context>"}]},
        {"role": "user", "content": [{"type": "input_text", "text": prompt}]},
    ]
    for number, output in enumerate(outputs):
        call = {"type": "function_call", "call_id": f"c{number}", "name": "exec_command", "arguments": "{}"}
        items += [call, {"type": "function_call_output", "call_id": f"c{number}", "output": output}]
    return {"input": items}


def exited(code: int, text: str) -> str:
    return f"Chunk ID: 1\nProcess exited with code {code}\nOutput:\n{text}"


FOUND = exited(0, "found a.txt")
RUNNING = "Process running with session ID 77\nOutput:\nfou"


@pytest.mark.parametrize(
    ("outputs", "command"),
    [
        ((), "look German"),
        ((exited(0, "nothing"),), "sleep 3; look German"),
        ((FOUND,), "edit a.txt 'it'\"'\"'s'"),
        ((FOUND, "Output:\nExit code: 0\nOutput:\nSuccess"), "test"),
        ((RUNNING, exited(0, "nd b.txt")), "edit b.txt 'it'\"'\"'s'"),
    ],
)
def test_the_next_command_follows_from_what_was_printed(outputs: tuple[str, ...], command: str) -> None:
    move = next_move([BOOK], read_turn(body(*outputs)))[1]
    assert isinstance(move, Command)
    assert move.arguments["cmd"] == command


def test_a_command_that_still_runs_is_looked_at_again() -> None:
    move = next_move([BOOK], read_turn(body(RUNNING)))[1]
    assert move == Command("write_stdin", {"session_id": 77, "yield_time_ms": 30000})


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ((FOUND, exited(0, ""), exited(5, "")), "edited a.txt for German"),
        ((FOUND, exited(0, ""), exited(1, "bad")), "test gave 1: bad"),
        ((exited(0, "no"), exited(0, "still no")), "look German gave 0: still no"),
    ],
)
def test_a_turn_ends_with_what_came_of_it(outputs: tuple[str, ...], text: str) -> None:
    assert next_move([BOOK], read_turn(body(*outputs)))[1] == Answer(text)


def test_a_resumed_thread_begins_at_its_new_prompt() -> None:
    old = body(FOUND)["input"]
    new = {"role": "user", "content": [{"type": "input_text", "text": "now greet in German again"}]}
    turn = read_turn({"input": [*old, new]})
    assert (turn.prompt, turn.exchanges) == ("now greet in German again", ())
    assert turn.earlier_prompts == ("please greet in German",)


def test_what_a_table_does_not_know_and_what_no_playbook_knows_changes_nothing() -> None:
    assert next_move([BOOK], read_turn(body(prompt="greet in Klingon")))[1] == Answer(
        "I don't know what to write for Klingon."
    )
    assert isinstance(next_move([BOOK], read_turn(body(prompt="hello")))[1], Answer)


def test_a_playbook_can_break_the_stream() -> None:
    book = Playbook("x", "x", (Step(stop="hang"),))
    assert next_move([book], read_turn(body(prompt="x")))[1] == Broken("hang")


@pytest.mark.parametrize(
    "text", ["- {when: x}", "- {name: x, when: '('}", "- {name: x, when: x, stepz: []}", "a: [", "7"]
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(BadPlaybook):
        load(path)


def test_the_built_in_playbooks_can_be_read() -> None:
    path = Path(__file__).parents[3] / "sandbox" / "model" / "playbooks.yaml"
    names = [item.name for item in load(path)]
    assert len(names) == len(set(names)) > 5
    assert json.dumps(names)
