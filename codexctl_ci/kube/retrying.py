"""When to try a request again, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class RetryPolicy:
    """``tries`` in all; the first pause, doubled and doubled again up to ``longest``; what a server asks for is obeyed
    up to ``longest_asked``. No try begins when ``whole`` is over."""

    tries: int = 6
    first: timedelta = timedelta(milliseconds=100)
    longest: timedelta = timedelta(seconds=5)
    longest_asked: timedelta = timedelta(seconds=60)
    whole: timedelta = timedelta(seconds=120)

    def pause(self, tried: int, retry_after: str | None = None) -> float:
        """Seconds to wait after ``tried`` tries. ``retry_after`` is the server's header, seconds or a date."""
        asked = _seconds(retry_after)
        if asked is not None:
            # A little more than asked, so that all that were turned away don't come back in the same instant.
            return min(asked, self.longest_asked.total_seconds()) * random.uniform(1.0, 1.1)
        growing = self.first.total_seconds() * 2.0 ** (tried - 1)
        return float(min(growing, self.longest.total_seconds()) * random.uniform(0.75, 1.25))


def passing(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may go through later: throttled, a fault of the server, or it says so itself."""
    return status in (408, 429) or (status >= 500 and status not in (501, 505)) or "Retry-After" in headers


def _seconds(header: str | None) -> float | None:
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
