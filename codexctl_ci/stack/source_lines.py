"""Which line of a file a line of its rendered text came from."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property

from codexctl_ci.errors import Finding
from codexctl_ci.stack.yaml_nodes import Place

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")


class SourceLines:
    """Aligns rendered lines with source lines by what stands before their first action.

    The alignment is made only when the first place is asked for: where all is well, nobody does.
    """

    def __init__(self, rendered: str, source: str) -> None:
        self._same = rendered == source
        self._rendered = rendered
        self._source = source

    def place(self, place: Place) -> Place:
        """The place in the source of a place in the rendered text; the column stays."""
        if self._same:
            return place
        lines = self._lines
        return Place(lines[min(place.line, len(lines)) - 1], place.column) if lines else place

    def finding(self, finding: Finding) -> Finding:
        """A fault found in the rendered text, placed in the source; where they differ, with the rendered line."""
        if self._same or not finding.line:
            return finding
        shown = "".join(self._rendered.split("\n")[finding.line - 1 : finding.line]).strip()
        hint = finding.hint or (f"rendered, the line is: {shown}" if shown else "")
        return replace(finding, line=self.place(Place(finding.line, finding.column)).line, hint=hint)

    @cached_property
    def _lines(self) -> list[int]:
        from difflib import SequenceMatcher

        rendered, source = self._rendered.split("\n"), self._source.split("\n")
        if len(rendered) == len(source):
            return list(range(1, len(rendered) + 1))
        matcher = SequenceMatcher(
            None, [_signature(line) for line in rendered], [_signature(line) for line in source], autojunk=False
        )
        found = [0] * len(rendered)
        for tag, r1, r2, s1, s2 in matcher.get_opcodes():
            if tag in ("equal", "replace"):
                for offset in range(r2 - r1):
                    found[r1 + offset] = min(s1 + offset, s2 - 1) + 1
        last = 1
        for position, line in enumerate(found):
            last = found[position] = line or last
        return found


def _signature(line: str) -> str:
    if _TEMPLATE.fullmatch(line.strip().lstrip("# ")):
        return "\0control"
    head, _, _ = line.partition("{")
    key, colon, _ = head.partition(":")
    return (key + colon).rstrip() if colon else head.rstrip()
