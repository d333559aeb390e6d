"""What the values in services.yaml may be, and how they look in its JSON Schema.

The document is read with every scalar as its source text, so that ``1.10`` stays ``1.10``; fields that are numbers,
booleans or durations read that text here.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from codexctl_ci.durations import parse_duration


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE = re.compile(r"([0-9]{1,12})\s*([kmg]i?)?b?", re.IGNORECASE)


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a size like 500k, 5Mi or 1048576")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]


def _texts(value: object) -> object:
    return {key: "" if item is None else item for key, item in value.items()} if isinstance(value, dict) else value


TextMap = Annotated[dict[str, str], BeforeValidator(_texts)]
"""Names to strings; a blank one is the empty string."""

Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""A duration in Go's notation."""

Size = Annotated[int, BeforeValidator(_size), Field(ge=0, json_schema_extra={"format": "size"})]
"""A number of bytes: ``5Mi``, ``500k`` or plain."""


def absent() -> Any:
    """The default of a section: what an empty one would be, made by the validator that is there already."""
    return Field(default_factory=dict, validate_default=True)


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
