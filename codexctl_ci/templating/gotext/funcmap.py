"""The functions of the Go dialect: Go's own and the project's, with the types they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from codexctl_ci.templating import functions
from codexctl_ci.templating.errors import FunctionError
from codexctl_ci.templating.gotext import access, comparison, escapes
from codexctl_ci.templating.gotext.formatting import display, sprint
from codexctl_ci.templating.gotext.moments import Time
from codexctl_ci.templating.gotext.printf import sprintf
from codexctl_ci.templating.gotext.values import bounded, type_name
from codexctl_ci.templating.quoting import quote


@dataclass(frozen=True, slots=True)
class Function:
    """A template function: types of its parameters (``any``, ``string``, ``int``, ``bool``), and of the rest.

    ``asks``: a missing key among its arguments is nil instead of an error. ``piped`` is called instead of ``call``
    where the last argument comes through a pipe.
    """

    call: Callable[..., object]
    params: tuple[str, ...] = ()
    rest: str = ""
    asks: bool = False
    piped: Callable[..., object] | None = None


SHORT_CIRCUITS = frozenset({"and", "or"})
"""Evaluated by the engine itself: they stop at the first argument that decides."""

INCLUDE = "include"
"""Needs the running template's state, which the engine hands it as its first argument."""


def make_functions(env: Mapping[str, str], now: Time, include: Callable[..., str]) -> dict[str, Function]:
    """All functions; ``env`` is envOr's map, ``now`` the time of loading."""
    anything = ("any",)
    two = ("any", "any")
    text = ("string",)
    texts = ("string", "string")
    return {
        "and": Function(_unused, anything, "any", asks=True),
        "or": Function(_unused, anything, "any", asks=True),
        "not": Function(lambda value: not value, anything, asks=True),
        "call": Function(_call, anything, "any"),
        "html": Function(_bounded(escapes.html), (), "any"),
        "js": Function(_bounded(escapes.js), (), "any"),
        "urlquery": Function(_bounded(escapes.urlquery), (), "any"),
        "index": Function(access.index, anything, "any"),
        "slice": Function(access.cut, anything, "any"),
        "len": Function(access.length, anything),
        "print": Function(_bounded(sprint), (), "any"),
        "printf": Function(lambda template, *values: sprintf(template, values), text, "any"),
        "println": Function(_println, (), "any"),
        "eq": Function(comparison.equal, anything, "any"),
        "ne": Function(comparison.not_equal, two),
        "lt": Function(comparison.less, two),
        "le": Function(comparison.less_or_equal, two),
        "gt": Function(comparison.greater, two),
        "ge": Function(comparison.greater_or_equal, two),
        "default": Function(_default, two, asks=True, piped=lambda fallback, value: _default(value, fallback)),
        "toLower": Function(functions.to_lower, text),
        "slug": Function(functions.slug, text),
        "truncSHA": Function(functions.trunc_sha, text),
        "envOr": Function(lambda key, fallback: functions.env_or(env, key, fallback), texts),
        "ternary": Function(functions.ternary, ("bool", "any", "any")),
        "now": Function(lambda: now),
        "join": Function(_join, ("any", "string")),
        "indent": Function(lambda width, value: bounded(functions.indent(width, value)), ("int", "string")),
        "trimPrefix": Function(functions.trim_prefix, texts),
        "quote": Function(lambda value: quote(sprint(value)), anything),
        INCLUDE: Function(include, ("string", "any")),
    }


def _unused(*_: object) -> object:
    raise AssertionError("the engine evaluates and/or itself")


def _call(function: object, *_: object) -> object:
    raise FunctionError("call of nil" if function is None else f"non-function of type {type_name(function)}")


def _bounded(function: Callable[..., str]) -> Callable[..., str]:
    return lambda *values: bounded(function(*values))


def _println(*values: object) -> str:
    return bounded(" ".join(display(value) for value in values) + "\n")


def _default(value: object, fallback: object) -> object:
    return fallback if functions.is_empty(value) else value


def _join(items: object, separator: str) -> str:
    if not isinstance(items, list | tuple):
        raise FunctionError(f"join wants a list, not {type_name(items)}")
    if not all(isinstance(item, str) for item in items):
        wrong = next(item for item in items if not isinstance(item, str))
        raise FunctionError(f"join wants strings, not {type_name(wrong)}")
    return bounded(separator.join(items))
