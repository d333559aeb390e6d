"""The clock for judging whether somebody else is dead: it can't be set, and it counts the time a machine slept."""

from __future__ import annotations

import time

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


def steady_seconds() -> float:
    """Seconds since some fixed moment. Where the system has no such clock, the plain monotonic one."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)
