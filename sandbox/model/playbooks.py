"""Playbooks: which commands an answer consists of, chosen by the prompt's text and driven by what commands print.

A playbook is data (see `playbooks.yaml`); nothing is remembered between requests, everything follows from the
transcript that Codex sends each time. So a repeated request gets the same answer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from sandbox.model.transcript import Exchange, Turn

Json = Any
Stop = Literal["hang", "cut", "fail"]
_HOLE = re.compile(r"@(\w+)@")


class BadPlaybook(ValueError):
    """A playbook file can't be used."""


@dataclass(frozen=True)
class Step:
    """One command, or one way to end badly.

    `expect` are the exit codes that go on, `match` must be found in the output and its named groups become
    values; a step that fails is repeated `retries` times with `pause` seconds before each. A command that still
    runs after `look_after` milliseconds is looked at again. `stop` ends the stream: `hang` never ends it, `cut`
    breaks it off, `fail` reports a failed response.
    """

    run: str = ""
    say: str = ""
    expect: tuple[int, ...] = (0,)
    match: str = ""
    retries: int = 0
    pause: int = 1
    stop: Stop | None = None
    workdir: str = ""
    look_after: int = 30000


@dataclass(frozen=True)
class Playbook:
    """What to do when `when` is found in the prompt. Named groups of it fill `@name@` in commands and texts.

    `tables` make more values: `greeting: {from: language, German: Hallo}`; a value without an entry ends the
    turn with `unknown`. `failed` is said when a step fails; `@command@`, `@code@` and `@output@` tell of it.
    """

    name: str
    when: str
    steps: tuple[Step, ...] = ()
    final: str = "Done."
    failed: str = "I could not finish. `@command@` ended with code @code@:\n\n@output@"
    unknown: str = "I don't know what to write for @value@."
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """Have Codex run a command; `say` is said before."""

    name: str
    arguments: dict[str, Json]
    say: str = ""


@dataclass(frozen=True)
class Answer:
    """End the turn with a text."""

    text: str


@dataclass(frozen=True)
class Broken:
    """End the stream badly."""

    how: Stop


Move = Command | Answer | Broken


def load(path: Path) -> tuple[Playbook, ...]:
    """Read a file of playbooks; raise BadPlaybook."""
    try:
        found: list[Playbook] = []
        for item in yaml.safe_load(path.read_text()) or ():
            steps = tuple(
                Step(**{**step, "expect": tuple(step.get("expect", (0,)))})
                for step in ({"run": step} if isinstance(step, str) else step for step in item.get("steps", ()))
            )
            re.compile(item["when"])
            found.append(Playbook(**{**item, "steps": steps}))
    except (TypeError, KeyError, re.error, yaml.YAMLError, AttributeError) as reason:
        raise BadPlaybook(f"{path}: {reason}") from reason
    return tuple(found)


def choose(playbooks: Sequence[Playbook], prompt: str) -> tuple[Playbook, dict[str, str]] | None:
    """Return the first playbook whose words are in the prompt, and the values found there."""
    for playbook in playbooks:
        found = re.search(playbook.when, prompt, re.IGNORECASE | re.MULTILINE)
        if found:
            return playbook, {name: value or "" for name, value in found.groupdict().items()}
    return None


def fill(text: str, values: Mapping[str, str], quoted: bool = False) -> str:
    """Put values into `@name@`; `quoted` for a shell, where they need it. An unknown name stays as it is."""

    def value(hole: re.Match[str]) -> str:
        found = values.get(hole[1])
        if found is None:
            return hole[0]
        return shlex.quote(found) if quoted else found

    return _HOLE.sub(value, text)


def next_move(playbooks: Sequence[Playbook], turn: Turn) -> tuple[str, Move]:
    """Return the playbook's name and what comes next in this turn."""
    chosen = choose(playbooks, turn.prompt)
    if chosen is None:
        return "", Answer("I was not told what to do with this; nothing was changed.")
    playbook, values = chosen
    for name, table in playbook.tables.items():
        key = values.get(table["from"], "")
        known = {entry.lower(): text for entry, text in table.items() if entry != "from"}
        if key.lower() not in known:
            return playbook.name, Answer(fill(playbook.unknown, {**values, "value": key}))
        values[name] = known[key.lower()]
    return playbook.name, _replay(playbook, values, turn.exchanges)


def _replay(playbook: Playbook, values: dict[str, str], exchanges: Sequence[Exchange]) -> Move:
    place, tries, output = 0, 0, ""
    for count, exchange in enumerate(exchanges):
        output += exchange.text
        if exchange.code is None:
            if count == len(exchanges) - 1:
                poll = {"session_id": exchange.session, "yield_time_ms": playbook.steps[place].look_after}
                return Command("write_stdin", poll)
            continue
        if place >= len(playbook.steps):
            break
        step = playbook.steps[place]
        found = re.search(fill(step.match, values), output, re.MULTILINE) if step.match else None
        if exchange.code in step.expect and (found or not step.match):
            values |= {name: text for name, text in (found.groupdict() if found else {}).items() if text}
            place, tries = place + 1, 0
        else:
            tries += 1
            if tries > step.retries:
                told = {"command": fill(step.run, values), "code": str(exchange.code)}
                return Answer(fill(playbook.failed, {**values, **told, "output": output[-2000:]}))
        output = ""
    if place >= len(playbook.steps):
        return Answer(fill(playbook.final, values))
    step = playbook.steps[place]
    if step.stop:
        return Broken(step.stop)
    command = fill(step.run, values, quoted=True)
    arguments = {"cmd": f"sleep {step.pause}; {command}" if tries else command}
    more: dict[str, Json] = {"yield_time_ms": step.look_after}
    if step.workdir:
        more["workdir"] = fill(step.workdir, values)
    return Command("exec_command", {**arguments, **more}, fill(step.say, values) if not tries else "")
