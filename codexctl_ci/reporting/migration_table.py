"""What would differ for a project of the older tool: lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from codexctl_ci.reporting.foreign_text import cell, one_line

_FIELDS = ("file", "line", "level", "what", "before", "now", "advice")
_MARKS = {"act": "ACT", "know": "know"}


class Row(Protocol):
    """One difference."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def level(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def now(self) -> str: ...
    @property
    def advice(self) -> str: ...


def as_text(rows: Sequence[Row]) -> str:
    """Each difference under its place, as editors read places; the last line counts."""
    lines = []
    for row in rows:
        lines.append(f"{_place(row)}: {_MARKS[row.level]}: {one_line(row.what, 200)}")
        lines.append(f"    before: {one_line(row.before, 600)}")
        lines.append(f"    now:    {one_line(row.now, 600)}")
        if row.advice:
            lines.append(f"    do:     {one_line(row.advice, 600)}")
    return "\n".join([*lines, _count(rows)])


def as_json(rows: Sequence[Row]) -> str:
    """A list of differences: file, line, level (act, know), what, before, now and advice."""
    return json.dumps([{name: getattr(row, name) for name in _FIELDS} for row in rows], indent=2)


def as_markdown(rows: Sequence[Row]) -> str:
    """All of them as a table."""
    lines = ["### Coming from codexctl", "", _count(rows), "", "| | where | what | before | now | do |"]
    lines.append("|---|---|---|---|---|---|")
    for row in rows:
        texts = (_MARKS[row.level], _place(row), row.what, row.before, row.now, row.advice)
        lines.append("| " + " | ".join(cell(text, 600) for text in texts) + " |")
    return "\n".join(lines)


def _place(row: Row) -> str:
    return f"{row.file}:{row.line}" if row.line else row.file


def _count(rows: Sequence[Row]) -> str:
    act = sum(row.level == "act" for row in rows)
    return f"{act} to change before switching, {len(rows) - act} to know"
