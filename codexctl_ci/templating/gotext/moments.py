"""Go's time.Time and Duration: what ``now`` and ``.Now`` give, with their methods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from codexctl_ci.templating.errors import FunctionError
from codexctl_ci.templating.gotext.layout import MONTHS, WEEKDAYS, format_time
from codexctl_ci.templating.gotext.values import MAX_INT, NilPointer, Struct, TypedInt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = datetime(1, 1, 1, tzinfo=UTC)


class Int64(TypedInt):
    """What Unix and its like give."""

    go_type = "int64"


class Uint64(TypedInt):
    """How a time holds its nanoseconds."""

    go_type = "uint64"
    unsigned = True


class Month(TypedInt):
    """A month, from 1; printed by name."""

    go_type = "time.Month"

    def go_string(self) -> str:
        """Its name."""
        return MONTHS[self - 1] if 1 <= self <= 12 else f"%!Month({int(self)})"


class Weekday(TypedInt):
    """A day of the week, Sunday is 0; printed by name."""

    go_type = "time.Weekday"

    def go_string(self) -> str:
        """Its name."""
        return WEEKDAYS[self]


class Duration(TypedInt):
    """Nanoseconds; printed like ``1h2m3.5s``."""

    go_type = "time.Duration"

    def go_string(self) -> str:
        """Hours, minutes and seconds; below a second the unit that gives a whole part."""
        rest = abs(self)
        sign = "-" if self < 0 else ""
        if rest < 1_000_000_000:
            for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
                if rest >= size:
                    return f"{sign}{_fraction(rest, size)}{unit}"
            return "0s"
        minutes, rest = divmod(rest, 60 * 1_000_000_000)
        hours, minutes = divmod(minutes, 60)
        head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{head}{_fraction(rest, 1_000_000_000)}s"


class Location(Struct):
    """The only time zone there is here."""

    go_type = "*time.Location"

    def go_string(self) -> str:
        """Its name."""
        return "UTC"


class Time(Struct):
    """A moment in UTC, to the microsecond."""

    go_type = "time.Time"

    def __init__(self, moment: datetime) -> None:
        self.moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Time) and self.moment == other.moment

    def __hash__(self) -> int:
        return hash(self.moment)

    def go_string(self) -> str:
        """Date, time with its fraction, offset and zone."""
        return format_time(self.moment, "2006-01-02 15:04:05.999999999 -0700 MST")

    def go_syntax(self) -> str:
        """The expression that makes this time."""
        m = self.moment
        day = f"{m.year}, time.{MONTHS[m.month - 1]}, {m.day}"
        return f"time.Date({day}, {m.hour}, {m.minute}, {m.second}, {m.microsecond * 1000}, time.UTC)"

    def fields(self) -> list[object]:
        """Nanoseconds, seconds since the year 1, and no location."""
        seconds = (self.moment - _START) // timedelta(seconds=1)
        return [Uint64(self.moment.microsecond * 1000), Int64(seconds), NilPointer("*time.Location")]


def _fraction(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    return f"{whole}." + str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")


def _nanoseconds(span: timedelta) -> int:
    return ((span.days * 86400 + span.seconds) * 1_000_000 + span.microseconds) * 1000


def _add(time: Time, duration: Duration) -> Time:
    if duration % 1000:
        raise FunctionError("times here count whole microseconds")
    return Time(time.moment + timedelta(microseconds=duration // 1000))


def _add_date(time: Time, years: int, months: int, days: int) -> Time:
    moment = time.moment
    year, month = divmod((moment.year + years) * 12 + moment.month - 1 + months, 12)
    first = moment.replace(year=year, month=month + 1, day=1)
    return Time(first + timedelta(days=moment.day - 1 + days))


def _truncated(time: Time, duration: Duration) -> Time:
    rest = _nanoseconds(time.moment - _START) % duration if duration > 0 else 0
    return _add(time, Duration(-rest))


def _rounded(time: Time, duration: Duration) -> Time:
    if duration <= 0:
        return time
    rest = _nanoseconds(time.moment - _START) % duration
    return _add(time, Duration(-rest if 2 * rest < duration else duration - rest))


def _duration(value: int) -> Duration:
    return Duration(max(min(value, MAX_INT), -MAX_INT - 1))


def _round_duration(value: Duration, unit: Duration) -> Duration:
    if unit <= 0:
        return value
    rest = abs(value) % unit
    size = abs(value) - rest + (0 if 2 * rest < unit else unit)
    return _duration(size if value >= 0 else -size)


def _truncate_duration(value: Duration, unit: Duration) -> Duration:
    size = abs(value) - (abs(value) % unit if unit > 0 else 0)
    return Duration(size if value >= 0 else -size)


Method = tuple[tuple[str, ...], Callable[..., object]]

_TIME: dict[str, Method] = {
    "Add": (("time.Duration",), _add),
    "AddDate": (("int", "int", "int"), _add_date),
    "After": (("time.Time",), lambda t, u: t.moment > u.moment),
    "Before": (("time.Time",), lambda t, u: t.moment < u.moment),
    "Compare": (("time.Time",), lambda t, u: (t.moment > u.moment) - (t.moment < u.moment)),
    "Day": ((), lambda t: t.moment.day),
    "Equal": (("time.Time",), lambda t, u: t.moment == u.moment),
    "Format": (("string",), lambda t, layout: format_time(t.moment, layout)),
    "GoString": ((), lambda t: t.go_syntax()),
    "Hour": ((), lambda t: t.moment.hour),
    "IsDST": ((), lambda t: False),
    "IsZero": ((), lambda t: t.moment == _START),
    "Local": ((), lambda t: t),
    "Location": ((), lambda t: Location()),
    "Minute": ((), lambda t: t.moment.minute),
    "Month": ((), lambda t: Month(t.moment.month)),
    "Nanosecond": ((), lambda t: t.moment.microsecond * 1000),
    "Round": (("time.Duration",), _rounded),
    "Second": ((), lambda t: t.moment.second),
    "String": ((), lambda t: t.go_string()),
    "Sub": (("time.Time",), lambda t, u: _duration(_nanoseconds(t.moment - u.moment))),
    "Truncate": (("time.Duration",), _truncated),
    "UTC": ((), lambda t: t),
    "Unix": ((), lambda t: Int64(_nanoseconds(t.moment - _EPOCH) // 10**9)),
    "UnixMicro": ((), lambda t: Int64(_nanoseconds(t.moment - _EPOCH) // 10**3)),
    "UnixMilli": ((), lambda t: Int64(_nanoseconds(t.moment - _EPOCH) // 10**6)),
    "UnixNano": ((), lambda t: Int64(_nanoseconds(t.moment - _EPOCH))),
    "Weekday": ((), lambda t: Weekday(t.moment.isoweekday() % 7)),
    "Year": ((), lambda t: t.moment.year),
    "YearDay": ((), lambda t: t.moment.timetuple().tm_yday),
}

_NAMED: Method = ((), lambda value: value.go_string())

_DURATION: dict[str, Method] = {
    "Abs": ((), lambda d: _duration(abs(d))),
    "Hours": ((), lambda d: d / 3600e9),
    "Microseconds": ((), lambda d: Int64(int(d / 1000) if abs(d) < 2**50 else d // 1000)),
    "Milliseconds": ((), lambda d: Int64(int(d / 10**6) if abs(d) < 2**50 else d // 10**6)),
    "Minutes": ((), lambda d: d / 60e9),
    "Nanoseconds": ((), lambda d: Int64(d)),
    "Round": (("time.Duration",), _round_duration),
    "Seconds": ((), lambda d: d / 1e9),
    "String": _NAMED,
    "Truncate": (("time.Duration",), _truncate_duration),
}


def find_method(value: object, name: str) -> Method | None:
    """The types of the arguments of ``value``'s method and what to call with ``value`` and them."""
    if isinstance(value, Time):
        return _TIME.get(name)
    if isinstance(value, Duration):
        return _DURATION.get(name)
    if isinstance(value, Month | Weekday | Location) and name == "String":
        return _NAMED
    return None
