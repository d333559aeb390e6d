"""Durations as Go writes them: ``90s``, ``10m``, ``1h30m``, ``250ms``.

The grammar is that of Go's ``time.ParseDuration``: numbers with a unit, strung together.
"""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> timedelta:
    """The duration that ``text`` names. Raises ValueError with a usable message; negative ones are refused."""
    body = text.strip()
    if body in ("0", "+0"):
        return timedelta()
    body = body.removeprefix("+")
    seconds, end = 0.0, 0
    for part in _PART.finditer(body):
        if part.start() != end:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not body or end != len(body):
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 10m or 1h30m")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than a duration can be") from None


def format_duration(value: timedelta) -> str:
    """``value`` for people, to the second (to the tenth below a minute): ``0.4s``, ``42s``, ``3m05s``, ``1h02m``."""
    seconds = max(0.0, value.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
