"""How planning issues hang together: a line in an issue's text names the one above it."""

from __future__ import annotations

import re

_PARENT = re.compile(r"^[ \t]*AI-PLAN-PARENT:[ \t]*#(\d{1,10})\b", re.MULTILINE | re.IGNORECASE)


def parent_of(body: str) -> int:
    """The issue above the one with this text, 0 where it names none."""
    found = _PARENT.search(body)
    return int(found[1]) if found else 0
