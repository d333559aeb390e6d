"""What the doctor found: a table for people, JSON for programs, Markdown for the job summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from codexctl_ci.reporting.foreign_text import cell, one_line

_FIELDS = ("area", "what", "level", "words", "advice", "paste")
_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "skip": "?"}


class Row(Protocol):
    """One finding."""

    @property
    def area(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def advice(self) -> str: ...
    @property
    def paste(self) -> str: ...


def as_table(rows: Sequence[Row]) -> str:
    """One line a finding, what to do below it; the last line counts."""
    widths = [
        max((len(text) for text in texts), default=0)
        for texts in zip(*((row.area, row.what) for row in rows), strict=True)
    ]
    lines = []
    for row in rows:
        head = f"{_MARKS[row.level]:<4}  {row.area:<{widths[0]}}  {row.what:<{widths[1]}}"
        first, *more = [one_line(line, 600) for line in row.words.splitlines() if line.strip()] or [""]
        below = " " * (len(head) + 2)
        lines.append(f"{head}  {first}".rstrip())
        lines += [below + line for line in more]
        if row.advice and row.level != "ok":
            lines.append(f"{below}-> {one_line(row.advice, 600)}")
    for row in rows:
        if row.paste:
            lines += [
                "",
                f"{row.area}: {row.what}: for `kubectl apply -f -` by an administrator",
                row.paste.rstrip(),
                "",
            ]
    return "\n".join([*lines, _count(rows)])


def as_json(rows: Sequence[Row]) -> str:
    """A list of findings: area, what, level (ok, warn, fail, skip), words, advice and paste (YAML that mends it)."""
    found = [{name: str(getattr(row, name)) for name in _FIELDS} for row in rows]
    return json.dumps(found, indent=2)


def as_markdown(rows: Sequence[Row]) -> str:
    """What isn't well, as a table."""
    lines = ["### Doctor", "", _count(rows), ""]
    ill = [row for row in rows if row.level != "ok"]
    if ill:
        lines += ["| | what | found | do |", "|---|---|---|---|"]
        lines += [
            f"| {_MARKS[row.level]} | {cell(f'{row.area}: {row.what}')} | {_lines(row.words)} | {cell(row.advice)} |"
            for row in ill
        ]
    for row in rows:
        if row.paste:
            lines += ["", f"{row.area}: {row.what}, for an administrator:", "", "```yaml", row.paste.rstrip(), "```"]
    return "\n".join(lines)


def _lines(words: str) -> str:
    return "<br>".join(cell(line, 600) for line in words.splitlines() if line.strip())


def _count(rows: Sequence[Row]) -> str:
    counts = {level: sum(row.level == level for row in rows) for level in _MARKS}
    return f"{counts['ok']} well, {counts['warn']} to know, {counts['fail']} missing, {counts['skip']} not visible"
