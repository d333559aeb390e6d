"""Go's view of Python values: types, kinds and the few rules that hang on them.

None is nil, str a string (bytes that are no UTF-8 stand as surrogates, as ``surrogateescape`` makes them), int an
int, float a float64, list a []any, dict a map[string]any, ``StringMap`` a map[string]string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from codexctl_ci.templating.context import StringMap
from codexctl_ci.templating.errors import FunctionError

MAX_INT = 2**63 - 1
MIN_INT = -(2**63)
MAX_TEXT = 16 * 1024 * 1024
"""The longest text, in characters, that a function may make."""


class TypedInt(int):
    """An integer of a Go type other than int."""

    go_type: ClassVar[str] = "int"
    unsigned: ClassVar[bool] = False

    def go_string(self) -> str | None:
        """What the type's String method gives; None where it has none."""
        return None


class Uint8(TypedInt):
    """A byte of a string."""

    go_type = "uint8"
    unsigned = True


class Slice(list[object]):
    """A part of a list that knows the elements behind its end, which Go still lets one reslice into."""

    def __init__(self, items: list[object], spare: list[object]) -> None:
        super().__init__(items)
        self.spare = spare


class Struct:
    """A Go structure; its methods are called through ``call_method``."""

    go_type: ClassVar[str] = "struct"

    def go_string(self) -> str:
        """What the type's String method gives."""
        raise NotImplementedError

    def go_syntax(self) -> str:
        """What ``%#v`` gives."""
        raise FunctionError(f"%#v of a {self.go_type} can't be shown")

    def fields(self) -> list[object]:
        """What a verb for numbers or such goes through."""
        raise FunctionError(f"the fields of a {self.go_type} can't be shown")


class NilPointer:
    """A nil pointer inside a structure."""

    def __init__(self, go_type: str) -> None:
        self.go_type = go_type


def type_name(value: object) -> str:
    """The Go type as ``%T`` prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, TypedInt | Struct | NilPointer):
        return value.go_type
    if isinstance(value, int):
        return "int" if value <= MAX_INT else "uint64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, complex):
        return "complex128"
    if isinstance(value, list | tuple):
        return "[]interface {}"
    if isinstance(value, StringMap):
        return "map[string]string"
    if isinstance(value, Mapping):
        texts = all(isinstance(key, str) for key in value)
        return "map[string]interface {}" if texts else "map[interface {}]interface {}"
    return type(value).__name__


def basic_kind(value: object) -> str:
    """``bool int uint float complex string``, or "" for anything that has no order and no simple equality."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "uint" if is_unsigned(value) else "int"
    if isinstance(value, float):
        return "float"
    return "complex" if isinstance(value, complex) else ""


def is_unsigned(value: int) -> bool:
    """Whether the integer has one of Go's unsigned types."""
    return value.unsigned if isinstance(value, TypedInt) else value > MAX_INT


def encode(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """The Go string of these bytes."""
    return data.decode("utf-8", "surrogateescape")


def byte_length(text: str) -> int:
    """What ``len`` gives for a string: bytes, not characters."""
    return len(text) if text.isascii() else len(encode(text))


def bounded(text: str) -> str:
    """``text``, refused where it has grown beyond all reason."""
    if len(text) > MAX_TEXT:
        raise FunctionError(f"a text of more than {MAX_TEXT} characters")
    return text


_RANK = {"": 0, "int": 1, "uint": 2, "string": 3, "float": 4, "complex": 5, "bool": 6}


def sorted_items(mapping: Mapping[object, object]) -> list[tuple[object, object]]:
    """The entries in the order in which Go prints and ranges: by key."""
    keys = list(mapping)
    try:
        keys.sort()
    except TypeError:
        # Keys of several kinds: kind by kind.
        keys.sort(key=lambda key: (_RANK[basic_kind(key)], key if key is not None else 0))
    return [(key, mapping[key]) for key in keys]
