"""What the values in services.yaml may be, and how they look in its JSON Schema.

The document is read with every scalar as its source text, so that ``1.10`` stays ``1.10``; fields that are numbers,
booleans or durations read that text here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from codexctl_ci.durations import parse_duration


@dataclass(frozen=True, eq=False)
class _Shown:
    """The JSON Schema of an annotated type (pydantic's own marker costs 20 ms of import)."""

    schema: dict[str, Any]

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return dict(self.schema)


_TEMPLATE = {"type": "string", "pattern": r"\{[{%]"}
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else value


def _flag(value: object) -> object:
    low = value.lower() if isinstance(value, str) else value
    if low in _TRUE:
        return True
    if low in _FALSE:
        return False
    return value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _texts(value: object) -> object:
    return {key: _text(item) for key, item in value.items()} if isinstance(value, Mapping) else value


_ANY_SCALAR = {"type": ["string", "number", "boolean", "null"]}

Text = Annotated[str, BeforeValidator(_text), _Shown({"type": ["string", "number", "boolean"]})]
"""A string; numbers and booleans keep the text they were written in."""

TextOrBlank = Annotated[str, BeforeValidator(_text), _Shown(_ANY_SCALAR)]
"""A string that may be left blank, and then says something."""

TextMap = Annotated[
    dict[str, str],
    BeforeValidator(_texts),
    _Shown({"type": "object", "additionalProperties": _ANY_SCALAR}),
]
"""Names to strings."""

Flag = Annotated[
    bool, BeforeValidator(_flag), _Shown({"anyOf": [{"type": "boolean"}, _TEMPLATE, {"enum": ["true", "false"]}]})
]
"""true or false."""

Count = Annotated[int, _Shown({"anyOf": [{"type": "integer", "minimum": 0}, _TEMPLATE]})]
"""A whole number of zero or more."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    _Shown({"type": "string", "pattern": r"^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|\{[{%]", "examples": ["90s", "1h30m"]}),
]
"""A duration in Go's notation."""


class Section(BaseModel):
    """A mapping in services.yaml: keys in camelCase, none but the known ones, and a blank key is an absent one."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True)

    blank_counts: ClassVar[frozenset[str]] = frozenset()
    """Keys that say something even when they are left blank."""

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, data: Any) -> Any:
        if not isinstance(data, dict) or None not in data.values():
            return data
        known = cls.known_keys()
        return {
            key: "" if value is None and key in cls.blank_counts else value
            for key, value in data.items()
            if value is not None or key in cls.blank_counts or key not in known
        }

    @classmethod
    def known_keys(cls) -> dict[str, str]:
        """Keys as written in services.yaml, to attribute names."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}
