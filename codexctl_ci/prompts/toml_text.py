"""Plain data as TOML text: what tomllib reads, written back. Values of one table first, then its subtables."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def dump_toml(table: Mapping[str, Any]) -> str:
    """``table`` as TOML; reading it gives an equal table. Raises TypeError for what TOML has no form for."""
    lines: list[str] = []
    _dump_table(table, (), lines)
    return "\n".join(lines).strip() + "\n"


def _dump_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    subtables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (len(subtables) < len(table) or not table):
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in subtables]
    for key, value in subtables.items():
        _dump_table(value, (*path, key), lines)


def _key(key: str) -> str:
    return key if _BARE.match(key) else _string(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(value)
        case float():
            text = repr(value)
            return text if text in ("inf", "-inf", "nan") or any(mark in text for mark in ".e") else f"{text}.0"
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"TOML has no form for {type(value).__name__}")


def _string(text: str) -> str:
    def escaped(character: str) -> str:
        if character in _ESCAPES:
            return _ESCAPES[character]
        code = ord(character)
        return f"\\u{code:04x}" if code < 0x20 or code == 0x7F else character

    return '"' + "".join(escaped(character) for character in text) + '"'
