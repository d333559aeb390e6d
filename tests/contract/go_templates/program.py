"""Both sides of the comparison: Go's own text/template as a program, and our engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from codexctl_ci.templating.context import StringMap
from codexctl_ci.templating.errors import TemplateError
from codexctl_ci.templating.gotext.engine import GoEngine
from codexctl_ci.templating.gotext.moments import Time

SOURCE = Path(__file__).parent / "reference"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A template and what it sees; ``{"$strings": …}`` and ``{"$time": microseconds}`` stand for Go's own types."""

    text: str
    data: object
    partials: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """The case as the Go program reads it."""
        partials = [{"file": name, "text": text} for name, text in self.partials.items()]
        now = (NOW - _EPOCH) // timedelta(microseconds=1)
        case = {"text": self.text, "data": self.data, "partials": partials, "env": self.env, "now": now}
        return json.dumps(case)


@dataclass(frozen=True)
class Answer:
    """The output, or None and the reason."""

    output: str | None
    error: str = ""


def go_answers(cases: Sequence[Case]) -> list[Answer]:
    """What Go prints for each case, all in one process."""
    lines = "".join(case.as_json() + "\n" for case in cases)
    done = subprocess.run([str(_built())], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(cases)
    return [Answer(None if "err" in answer else answer["out"], answer.get("err", "")) for answer in answers]


def our_answer(case: Case, data: object = None) -> Answer:
    """What our engine prints for ``case``; ``data`` is the case's own, where it has been converted already."""
    try:
        engine = GoEngine(case.partials, case.env, NOW)
        return Answer(engine.execute(case.text, data or python_value(case.data), file="main"))
    except TemplateError as error:
        return Answer(None, error.problem)


def differences(cases: Sequence[Case]) -> Iterable[str]:
    """A text for each case where the two don't agree: one output, or both fail."""
    converted: dict[int, object] = {}
    for case, theirs in zip(cases, go_answers(cases), strict=True):
        if id(case.data) not in converted:
            converted[id(case.data)] = python_value(case.data)
        ours = our_answer(case, converted[id(case.data)])
        if ours.output != theirs.output:
            yield f"{case.text!r}\n  data {case.data!r}\n  go   {theirs}\n  ours {ours}"


def python_value(value: object) -> object:
    """``value`` of a case as the engine takes it."""
    if isinstance(value, list):
        return [python_value(item) for item in value]
    if isinstance(value, dict):
        if "$strings" in value:
            return StringMap(cast(dict[str, str], value["$strings"]))
        if "$time" in value:
            return Time(_EPOCH + timedelta(microseconds=cast(int, value["$time"])))
        return {key: python_value(item) for key, item in value.items()}
    return value


def _built() -> Path:
    """The program, built once for its sources and Go's version and kept in the user's cache."""
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("these tests need Go: put it on PATH, or set CODEXCTL_TESTS_WITHOUT_GO=1 to leave them out")
    version = subprocess.run([go, "version"], stdout=subprocess.PIPE, check=True).stdout
    digest = hashlib.sha256(version)
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codexctl-ci-tests"
    program = cache / f"go-templates-{digest.hexdigest()[:16]}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        subprocess.run([go, "build", "-o", str(fresh), "."], cwd=SOURCE, check=True)
        fresh.rename(program)
    return program
