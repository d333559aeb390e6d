"""Text of others in places where it could be taken for something else."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_FENCE = re.compile(r"`{3,}")


def one_line(text: str, limit: int = 300) -> str:
    """``text`` on one line of at most ``limit`` signs, without control signs and workflow commands."""
    plain = " ".join(_CONTROL.sub(" ", text).split()).replace("##[", "## [")
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def cell(text: str, limit: int = 300) -> str:
    """``text`` as a cell of a Markdown table: no markup, no link, nobody mentioned."""
    plain = one_line(text, limit)
    for sign in "\\`|*_[]<>#~":
        plain = plain.replace(sign, "\\" + sign)
    return plain.replace("@", "@\u200b")


def fenced(lines: list[str] | tuple[str, ...], language: str = "text") -> str:
    """``lines`` as a block of code that they cannot end."""
    body = "\n".join(_CONTROL.sub(" ", line) for line in lines)
    longest = max((len(run) for run in _FENCE.findall(body)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"
