"""How planning issues hang together: a line in an issue's text names the one above it."""

from __future__ import annotations

import re

_PARENT = re.compile(r"^[ \t]*AI-PLAN-PARENT:[ \t]*#(\d{1,10})\b", re.MULTILINE | re.IGNORECASE)


_PARTS = {
    "goal": r"goal|цель",
    "steps": r"steps|шаги",
    "files": r"files|файлы",
    "risks": r"risks|риски",
    "open questions": r"open questions|открытые вопросы",
}


def missing_parts(plan: str) -> tuple[str, ...]:
    """Which of the parts that a plan has to have it has no heading for, by their English names."""
    headings = "\n".join(re.findall(r"^[ ]{0,3}(?:#{1,6}[ \t]|\*\*|\d+[.)][ \t])([^\n]*)", plan, re.MULTILINE))
    return tuple(name for name, words in _PARTS.items() if not re.search(words, headings, re.IGNORECASE))


def parent_of(body: str) -> int:
    """The issue above the one with this text, 0 where it names none."""
    found = _PARENT.search(body)
    return int(found[1]) if found else 0
