"""Files with templates that fail: what is wrong with each, and the rest, to be checked all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from codexctl_ci.errors import Finding, InvalidStack
from codexctl_ci.templating.errors import TemplateError

T = TypeVar("T")

_MOST = 20
_PRINTS = re.compile(r"\{\{.*?\}\}")
_INSTEAD = "x"


def finding_of(error: TemplateError) -> Finding:
    """The fault as one of many, with the line it is in."""
    line = error.source_line.strip()
    shown = f"{error.problem}\n    {line}" if line else error.problem
    return Finding(shown, error.file, error.line, error.column, error.hint)


def template_faults(text: str, file: str, render: Callable[[str], object]) -> list[Finding]:
    """What is wrong with the templates in ``text``, as far as it can be told."""
    failed: list[TemplateError] = []
    with suppress(TemplateError, InvalidStack):
        render_what_can_be(text, file, render, failed)
    return [finding_of(error) for error in failed]


def render_what_can_be(text: str, file: str, render: Callable[[str], T], failed: list[TemplateError]) -> T:
    """What ``render`` makes of ``text``; where templates fail, with a word in place of each such ``{{ … }}``.

    They are added to ``failed``. Where nothing can be made of the rest, the only one is raised as it is, several as
    InvalidStack.
    """
    while True:
        try:
            return render(text)
        except TemplateError as error:
            failed.append(error)
            without = _without(text, file, error)
            if without == text or len(failed) == _MOST:
                break
            text = without
        except InvalidStack:
            if not failed:
                raise
            # The word in its place may well be no YAML.
            break
    raise failed[0] if len(failed) == 1 else InvalidStack([finding_of(error) for error in failed])


def _without(text: str, file: str, error: TemplateError) -> str:
    """``text`` without the action that failed, or without all of its line where no column says which."""
    lines = text.split("\n")
    if error.file != file or not 0 < error.line <= len(lines):
        return text

    def replaced(action: re.Match[str]) -> str:
        hit = not error.column or action.start() < error.column <= action.end()
        # As long as it was, so that what comes after it keeps its column.
        return _INSTEAD * len(action[0]) if hit else action[0]

    lines[error.line - 1] = _PRINTS.sub(replaced, lines[error.line - 1])
    return "\n".join(lines)
