"""Go's time layouts: a date written out as an example of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

# fmt: off
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
# fmt: on

_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|_2006|__2|_2|2006|002|01|02|03|04|05|06|15|1|2|3|4|5|PM|pm"
    r"|Z070000|Z07:00:00|Z0700|Z07:00|Z07|-070000|-07:00:00|-0700|-07:00|-07|[.,]0+(?!\d)|[.,]9+(?!\d)"
)


def format_time(moment: datetime, layout: str) -> str:
    """``moment`` in the form of ``layout``."""
    return _ELEMENT.sub(lambda match: _element(moment, match.group()), layout)


def _element(moment: datetime, element: str) -> str:
    simple = _SIMPLE.get(element)
    if simple is not None:
        return simple(moment)
    if element[0] in "Z-":
        return _zone(moment.utcoffset() or timedelta(), element)
    if element == "_2006":
        return "_" + f"{moment.year:04d}"
    digits = f"{moment.microsecond:06d}000"[: len(element) - 1].ljust(len(element) - 1, "0")
    if element[1] == "9":
        digits = digits.rstrip("0")
    return element[0] + digits if digits else ""


def _zone(offset: timedelta, element: str) -> str:
    if element[0] == "Z" and not offset:
        return "Z"
    seconds = int(offset.total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{hours:02d}", f"{minutes:02d}", f"{seconds:02d}"]
    digits = sum(c.isdigit() for c in element) // 2
    return sign + (":" if ":" in element else "").join(parts[:digits])


def _weekday(moment: datetime) -> str:
    return WEEKDAYS[moment.isoweekday() % 7]


_SIMPLE: dict[str, Callable[[datetime], str]] = {
    "January": lambda m: MONTHS[m.month - 1],
    "Jan": lambda m: MONTHS[m.month - 1][:3],
    "1": lambda m: str(m.month),
    "01": lambda m: f"{m.month:02d}",
    "Monday": _weekday,
    "Mon": lambda m: _weekday(m)[:3],
    "2": lambda m: str(m.day),
    "_2": lambda m: f"{m.day:2d}",
    "02": lambda m: f"{m.day:02d}",
    "__2": lambda m: f"{m.timetuple().tm_yday:3d}",
    "002": lambda m: f"{m.timetuple().tm_yday:03d}",
    "15": lambda m: f"{m.hour:02d}",
    "3": lambda m: str(m.hour % 12 or 12),
    "03": lambda m: f"{m.hour % 12 or 12:02d}",
    "4": lambda m: str(m.minute),
    "04": lambda m: f"{m.minute:02d}",
    "5": lambda m: str(m.second),
    "05": lambda m: f"{m.second:02d}",
    "2006": lambda m: f"{m.year:04d}",
    "06": lambda m: f"{m.year % 100:02d}",
    "PM": lambda m: "PM" if m.hour >= 12 else "AM",
    "pm": lambda m: "pm" if m.hour >= 12 else "am",
    "MST": lambda m: "UTC",
}
