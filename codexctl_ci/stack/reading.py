"""From plain data to sections, with every fault on the way.

A document has every scalar as its source text, so that ``1.10`` stays ``1.10``; numbers, booleans and durations are
read from that text here. What is at fault is left out, so that the rest can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from codexctl_ci.durations import parse_duration
from codexctl_ci.stack.schema_types import Rules, Section

Path = tuple[str | int, ...]
S = TypeVar("S", bound=Section)

_TRUE = frozenset({"true", "1", "yes", "on", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "off", "n", "f"})
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE = re.compile(r"([0-9]{1,12})\s*([kmg]i?)?b?", re.IGNORECASE)
_WHOLE = re.compile(r"\s*[-+]?[0-9]{1,18}\s*")
_FAULTY: Any = object()


class Fault(NamedTuple):
    """Something wrong at ``path``. ``unknown``: it is a key that nobody knows."""

    path: Path
    message: str
    hint: str = ""
    unknown: bool = False


def read(section: type[S], data: object, *, instead: dict[str, Any] | None = None) -> tuple[S | None, list[Fault]]:
    """``data`` as a ``section``, and all faults. ``instead`` gives values for required keys that are at fault.

    None where what is left after taking the faults out is no such section.
    """
    reader = _Reader()
    found = reader.section(section, data, (), instead or {})
    return (None if found is _FAULTY else found), reader.faults


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def section(self, kind: type[Section], data: object, path: Path, instead: dict[str, Any]) -> Any:
        if not isinstance(data, dict):
            return self._wrong(path, "a mapping", data)
        data = kind.prepared(data)
        keys = kind.keys()
        values: dict[str, Any] = {}
        before = len(self.faults)
        lacking = False
        for name, row in keys.items():
            given = data.get(name)
            if given is None and name in data and name in kind.blank_counts:
                given = ""
            value: Any = _FAULTY
            if given is not None:
                value = self._value(row.annotation, given, (*path, name), row.rules)
            elif row.rules.required:
                self.faults.append(Fault(path, f"{dotted(path) or 'the file'} has no {name}"))
            if value is not _FAULTY:
                values[row.attribute] = value
            elif name in instead:
                values[row.attribute] = instead[name]
            elif row.rules.required:
                lacking = True
        for name in [name for name in data if name not in keys]:
            hint = did_you_mean(name, keys)
            self.faults.append(Fault((*path, name), f"unknown key {dotted((*path, name))}", hint, unknown=True))
        if lacking:
            return _FAULTY
        found = kind(**values)
        try:
            found.check()
        except ValueError as error:
            if all(fault.unknown for fault in self.faults[before:]):
                self.faults.append(Fault(path, f"{dotted(path)}: {error}"))
            return _FAULTY
        return found

    def _value(self, kind: Any, given: Any, path: Path, rules: Rules) -> Any:
        if kind is str:
            return self._text(given, path, rules)
        if kind is int:
            return self._number(given, path, rules)
        if kind is bool:
            return self._switch(given, path)
        origin, inner = get_origin(kind), get_args(kind)
        if origin is tuple:
            if not isinstance(given, list):
                return self._wrong(path, "a list", given)
            items = [self._value(inner[0], item, (*path, number), rules) for number, item in enumerate(given)]
            return tuple(item for item in items if item is not _FAULTY)
        if origin is dict:
            return self._map(inner[1], given, path, rules)
        if origin is Literal:
            return self._choice(inner, given, path)
        if origin in (Union, UnionType):
            return self._value(next(one for one in inner if one is not NoneType), given, path, rules)
        if origin is Annotated:
            return self._special(inner[1], given, path, rules)
        return self.section(kind, given, path, {})

    def _special(self, word: str, given: Any, path: Path, rules: Rules) -> Any:
        if word == "texts":
            texts = {name: "" if item is None else item for name, item in given.items()} if _is_map(given) else given
            return self._map(str, texts, path, rules)
        if isinstance(given, timedelta | int):
            return given
        expected, parse = {
            "duration": ("a duration like 90s, 10m or 1h30m", parse_duration),
            "size": ("a whole number", parse_size),
        }[word]
        if not isinstance(given, str):
            return self._wrong(path, expected, given)
        try:
            return parse(given)
        except ValueError as error:
            return self._fault(path, f"{dotted(path)}: {error}")

    def _map(self, kind: Any, given: Any, path: Path, rules: Rules) -> Any:
        if not _is_map(given):
            return self._wrong(path, "a mapping", given)
        found = {name: self._value(kind, item, (*path, name), rules) for name, item in given.items()}
        return {name: item for name, item in found.items() if item is not _FAULTY}

    def _text(self, given: Any, path: Path, rules: Rules) -> Any:
        if not isinstance(given, str):
            return self._wrong(path, "text", given)
        if rules.pattern and not re.fullmatch(rules.pattern, given):
            return self._fault(path, f"{dotted(path)} is {given!r}: lower-case letters, digits and dashes only")
        return given

    def _number(self, given: Any, path: Path, rules: Rules) -> Any:
        if isinstance(given, bool) or not _WHOLE.fullmatch(str(given)):
            return self._wrong(path, "a whole number", given)
        number = int(given)
        if rules.least is not None and number < rules.least:
            return self._fault(path, f"{dotted(path)}: it must be greater than or equal to {rules.least}")
        if rules.most is not None and number > rules.most:
            return self._fault(path, f"{dotted(path)}: it must be less than or equal to {rules.most}")
        return number

    def _switch(self, given: Any, path: Path) -> Any:
        if isinstance(given, bool):
            return given
        word = given.lower() if isinstance(given, str) else ""
        if word not in _TRUE | _FALSE:
            return self._wrong(path, "true or false", given)
        return word in _TRUE

    def _choice(self, choices: tuple[str, ...], given: Any, path: Path) -> Any:
        if given in choices:
            return given
        text = str(given)
        message = f"{dotted(path)} is {text!r}; it must be one of {', '.join(choices)}"
        return self._fault(path, message, did_you_mean(text, choices))

    def _wrong(self, path: Path, expected: str, given: object) -> Any:
        return self._fault(path, f"{dotted(path)} must be {expected}, not {_describe(given)}")

    def _fault(self, path: Path, message: str, hint: str = "") -> Any:
        self.faults.append(Fault(path, message, hint))
        return _FAULTY


def parse_size(text: str) -> int:
    """A number of bytes with or without a unit. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size like 500k, 5Mi or 1048576")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]


def dotted(path: Iterable[str | int]) -> str:
    """``path`` as people write it: ``services[2].image``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest of ``known``, or with all of a few; empty where there is nothing to say."""
    import difflib

    names = sorted(known)
    lower = {known_name.lower(): known_name for known_name in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean {lower[near[0]]}?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 8 else ""


def _is_map(given: object) -> bool:
    return isinstance(given, dict)


def _describe(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "blank" if value is None else repr(value)
