"""``eq ne lt le gt ge``: Go's rules for values of mixed kinds."""

from __future__ import annotations

from collections.abc import Mapping

from codexctl_ci.templating.errors import FunctionError
from codexctl_ci.templating.gotext.values import Struct, basic_kind, encode, type_name

_INTEGERS = ("int", "uint")


def equal(first: object, *others: object) -> bool:
    """Whether ``first`` equals one of ``others``; stops at the first that does."""
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def not_equal(first: object, second: object) -> bool:
    """Whether the two differ."""
    return not equal(first, second)


def less(first: object, second: object) -> bool:
    """Whether ``first`` comes before ``second``: numbers of one kind, or texts by their bytes."""
    one, two = basic_kind(first), basic_kind(second)
    if not one or not two:
        raise FunctionError("invalid type for comparison")
    if one != two and not (one in _INTEGERS and two in _INTEGERS):
        raise _incompatible(first, second)
    if one in ("bool", "complex"):
        raise FunctionError("invalid type for comparison")
    if isinstance(first, str) and isinstance(second, str):
        return encode(first) < encode(second)
    return first < second  # type: ignore[operator,no-any-return]


def less_or_equal(first: object, second: object) -> bool:
    """Whether ``first`` comes before ``second`` or equals it."""
    return less(first, second) or equal(first, second)


def greater(first: object, second: object) -> bool:
    """Whether ``first`` comes after ``second``."""
    return not less_or_equal(first, second)


def greater_or_equal(first: object, second: object) -> bool:
    """Whether ``first`` doesn't come before ``second``."""
    return not less(first, second)


def _same(one: object, two: object) -> bool:
    first, second = basic_kind(one), basic_kind(two)
    if first != second:
        if first in _INTEGERS and second in _INTEGERS:
            return one == two
        if one is None or two is None:
            return False
        raise _incompatible(one, two)
    if first:
        return one == two
    if one is None or two is None:
        return one is two
    if isinstance(one, list | tuple | Mapping) or type(one) is not type(two) or not isinstance(one, Struct):
        raise FunctionError(f"non-comparable types {type_name(one)} and {type_name(two)}")
    return one == two


def _incompatible(one: object, two: object) -> FunctionError:
    return FunctionError(f"incompatible types for comparison: {type_name(one)} and {type_name(two)}")
