"""The API server's time, carried on by a clock of ours that never jumps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def uptime() -> float:
    """Seconds on a clock that only goes forward and also counts time in which the machine was suspended."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) if boottime is not None else time.monotonic()


class ServerClock:
    """Learns from the ``Date`` header of each answer. Usable from many threads."""

    def __init__(self, uptime: Callable[[], float] = uptime) -> None:
        self._uptime = uptime
        self._lock = threading.Lock()
        self._seen: tuple[str, datetime, float] | None = None

    def learn(self, date_header: str | None) -> None:
        """Take ``date_header`` as the time now. Headers count whole seconds: only the first of a second is taken."""
        if not date_header:
            return
        if self._seen is not None and self._seen[0] == date_header:
            return
        try:
            date = parsedate_to_datetime(date_header)
        except ValueError:
            return
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        with self._lock:
            self._seen = (date_header, date.astimezone(UTC), self._uptime())

    def now(self) -> datetime | None:
        """The server's time, None before its first answer."""
        seen = self._seen
        if seen is None:
            return None
        return seen[1] + timedelta(seconds=self._uptime() - seen[2])
