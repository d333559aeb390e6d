"""Which parts of a Markdown text its page shows letter by letter: fenced code and code spans.

Only what every reader of Markdown takes for code counts. Where anything before could make it something else (a tag
that is open, a container, an odd number of backticks), it is no code here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

CONTAINERS = r"(?:[ \t]|>|[*+-](?=[ \t])|\d{1,9}[.)](?=[ \t])|\[\^[^\]\s]+\]:)*"
"""What may stand before a block: quotations, lists, footnotes."""

_FENCE = re.compile(r"(?P<lead> {0,3})(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})[ \t]*(?P<info>.*)\Z", re.DOTALL)
_TAG_FIRST = re.compile(CONTAINERS + r"<(?![A-Za-z][A-Za-z0-9+.-]{1,31}:|[\w.+-]+@)[A-Za-z/!?]")
_OPENER = re.compile(
    r"<!--|<!\[CDATA\[|<\?|<![A-Za-z]|<(pre|script|style|textarea|template|noscript)(?![A-Za-z0-9-])", re.IGNORECASE
)
_CLOSERS = {"<!--": "-->", "<![cdata[": "]]>", "<?": "?>"}
_WHOLE_TAG = re.compile(
    r"</?[A-Za-z][A-Za-z0-9-]*"
    r"(?:[ \t]+[A-Za-z_:][\w.:-]*+(?:[ \t]*=[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'=<>`]++))?)*+[ \t]*/?>"
    r"|<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>"
    r"|<[\w.!#$%&'*+/=?^{|}~-]+@[\w.-]+>"
)
# Blocks that a page draws instead of showing their text.
DRAWN = frozenset({"mermaid", "math", "geojson", "topojson", "stl"})


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text. ``markup``: a tag begins one of its lines, so that all of it may be read as HTML; ``drawn``:
    the source of a drawing or a formula."""

    kind: Literal["text", "code", "markup", "drawn"]
    text: str


def parts(text: str) -> Iterator[Part]:
    """``text``, whose lines end with newlines, cut into parts; together they are the text."""
    return _Reader(text).parts()


class _Reader:
    """Goes through the lines. ``awaited`` ends what a tag or comment opened in an earlier paragraph; ``lost``: a fence
    was met that is none for some readers, so that no later one can be told to open or to close."""

    def __init__(self, text: str) -> None:
        self._lines = _lines(text)
        self._chunk: list[str] = []
        self._awaited: re.Pattern[str] | None = None
        self._in_markup = False
        self._lost = False

    def parts(self) -> Iterator[Part]:
        at = 0
        while at < len(self._lines):
            line = self._lines[at]
            fence = _FENCE.match(line)
            if fence and not self._in_markup and self._awaited is None:
                yield from self._paragraph()
            if fence:
                end = 0 if self._lost else self._end_of_fence(at, fence["fence"])
                unclear = (
                    bool(fence["lead"])
                    or "|" in fence["info"]
                    or self._in_markup
                    or self._awaited is not None
                    or not end
                )
                self._lost = self._lost or unclear
                if not self._lost:
                    drawn = fence["info"].strip().casefold().partition(" ")[0] in DRAWN
                    yield Part("text", line)
                    yield Part("drawn" if drawn else "code", "".join(self._lines[at + 1 : end]))
                    yield Part("text", self._lines[end])
                    at = end + 1
                    continue
            self._chunk.append(line)
            self._in_markup = self._in_markup or _TAG_FIRST.match(line) is not None
            if not line.strip(" \t\n"):
                yield from self._paragraph()
                self._in_markup = False
            at += 1
        yield from self._paragraph()

    def _end_of_fence(self, start: int, fence: str) -> int:
        closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*\n?\Z")
        return next((at for at in range(start + 1, len(self._lines)) if closing.match(self._lines[at])), 0)

    def _paragraph(self) -> Iterator[Part]:
        text, self._chunk = "".join(self._chunk), []
        if not text:
            return
        if self._awaited is not None:
            ended = self._awaited.search(text)
            self._awaited = _left_open(text[ended.end() :]) if ended else self._awaited
            # The rest of the line that ends a comment still belongs to it.
            self._in_markup = True
            yield Part("markup", text)
            return
        if self._in_markup:
            self._awaited = _left_open(text)
            yield Part("markup", text)
            return
        spans = _code_spans(text)
        outside, last = [], 0
        for start, end in spans:
            yield Part("text", text[last:start])
            yield Part("code", text[start:end])
            outside.append(text[last:start])
            last = end
        yield Part("text", text[last:])
        self._awaited = _left_open(" ".join([*outside, text[last:]]))


def _lines(text: str) -> list[str]:
    # str.splitlines knows more ends of lines than Markdown does.
    found = [line + "\n" for line in text.split("\n")]
    found[-1] = found[-1][:-1]
    return [line for line in found if line]


def _left_open(text: str) -> re.Pattern[str] | None:
    """What would end the comment or raw element that ``text`` leaves open."""
    at = 0
    while opened := _OPENER.search(text, at):
        closer = rf"</{opened[1]}\s*>" if opened[1] else re.escape(_CLOSERS.get(opened[0].lower(), ">"))
        pattern = re.compile(closer, re.IGNORECASE)
        closed = pattern.search(text, opened.end())
        if closed is None:
            return pattern
        at = closed.end()
    return None


def _code_spans(text: str) -> list[tuple[int, int]]:
    """Where code spans stand in a paragraph, with their backticks; none at all where one of its lines is unclear."""
    if "`" not in text:
        return []
    found: list[tuple[int, int]] = []
    start = 0
    for line in text.split("\n"):
        spans = _spans_of_line(line)
        if spans is None:
            return []
        found += [(start + first, start + last) for first, last in spans]
        start += len(line) + 1
    return found


def _spans_of_line(line: str) -> list[tuple[int, int]] | None:
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(line):
        sign = line[at]
        if sign == "\\":
            at += 2
        elif sign == "`":
            length = len(line) - at - len(line[at:].lstrip("`"))
            closing = re.compile(rf"(?<!`)`{{{length}}}(?!`)").search(line, at + length)
            if closing is None or "|" in line[at : closing.end()]:
                return None
            # Between dollar signs it is a formula.
            if line[at - 1 : at] != "$" and line[closing.end() : closing.end() + 1] != "$":
                found.append((at, closing.end()))
            at = closing.end()
        elif sign == "<" and re.match(r"[A-Za-z/!?]", line[at + 1 : at + 2]):
            tag = _WHOLE_TAG.match(line, at)
            if tag is None:
                return None
            at = tag.end()
        else:
            at += 1
    return found
