"""`report.html`: the demo on one page that needs nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sandbox.demo.evidence import Evidence
from sandbox.demo.markdown import render
from sandbox.demo.timeline import Report

Json = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a diff with its numbers in the old and the new file; 0 where it isn't there."""

    kind: str
    old: int
    new: int
    text: str


def write_page(file: Path, report: Report, seen: Evidence) -> None:
    """Write the page. All text on it that isn't ours is escaped, and it may load and run nothing."""
    # Every value is escaped unless it is Markup, which only our own renderer of Markdown makes.
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters |= {"markdown": lambda text: Markup(render(text)), "clock": _clock}
    templates.filters |= {"diff": diff_lines, "up_to": _up_to}
    whole = max([report.seconds, *(step.at + step.seconds for step in report.steps)], default=0) or 1.0
    page = templates.get_template("report.html.j2").render(report=report, seen=seen, whole=whole, ticks=_ticks(whole))
    file.write_text(page, encoding="utf-8")


def diff_lines(patch: str) -> Iterator[Line]:
    """The lines of one file's patch."""
    old = new = 0
    for text in patch.splitlines():
        hunk = re.match(r"@@ -(\d+)\S* \+(\d+)", text)
        if hunk:
            old, new = int(hunk[1]), int(hunk[2])
            yield Line("hunk", 0, 0, text)
        elif text.startswith("+"):
            yield Line("added", 0, new, text)
            new += 1
        elif text.startswith("-"):
            yield Line("removed", old, 0, text)
            old += 1
        else:
            yield Line("same", old, new, text)
            old, new = old + 1, new + 1


def _up_to(lines: Iterable[Line], number: int) -> list[Line]:
    """The line of that number in the new file, and the few before it."""
    return [line for line in lines if line.kind != "hunk" and (line.new or number) <= number][-5:]


def _ticks(whole: float) -> list[int]:
    step = next(step for step in (5, 10, 15, 30, 60, 120, 300, 600, 10**6) if whole / step <= 8)
    return list(range(0, int(whole) + 1, step))


def _clock(stamp: str) -> str:
    return stamp.replace("T", " ").removesuffix("Z")
