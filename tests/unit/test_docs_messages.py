"""A message that the documentation quotes is one that people can meet."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.pages import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
QUOTED = [
    message
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| message")
    for message in re.findall(r"`([^`]+)`", line.split(" | ")[0])
]
# What stands for a value: capitals for a name, an ellipsis for anything, a number.
_VALUE = re.compile(r"\b[A-Z]{2,}\b(?!_)|'?…'?|\b\d+\b")
_HOLE = "\0"


@cache
def said() -> tuple[str, ...]:
    """All texts in the code, each with a hole for every value in it."""
    found = []
    for path in (ROOT / "codexctl_ci").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(v.value) if isinstance(v, ast.Constant) else _HOLE for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)


def fits(message: str, text: str) -> bool:
    """Whether ``text``, with values in its holes, is ``message``, or has all of its words around the values in it."""
    words = [word for word in (part.strip() for part in _VALUE.split(message)) if word]
    if words and all(word in text for word in words):
        return True
    literal = text.replace(_HOLE, "")
    filled = ".+?".join(map(re.escape, text.split(_HOLE)))
    return len(literal) > len(message) / 2 and re.fullmatch(filled, message) is not None


def test_page_quotes_messages_and_what_nobody_says_is_found_out() -> None:
    assert len(QUOTED) > 30
    assert not any(fits("git pull was declined", text) for text in said())
    assert not any(fits("no slot was found for … within …", text) for text in said())


@pytest.mark.parametrize("message", QUOTED)
def test_quoted_message_stands_in_the_code(message: str) -> None:
    assert any(fits(message, text) for text in said())
