"""The project's own template functions, as both dialects call them. Strings in, strings out."""

from __future__ import annotations

from collections.abc import Mapping

from codexctl_ci.templating.errors import FunctionError

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go takes for white space; ``str.strip`` alone would take four control characters more."""

SHA_LENGTH = 12


def is_empty(value: object) -> bool:
    """Whether ``default`` replaces ``value``: nothing, blank text, an empty list or map. Never 0 or false."""
    if isinstance(value, str):
        return not value.strip(SPACE)
    return value is None or (isinstance(value, list | tuple | Mapping) and not value)


def to_lower(text: str) -> str:
    """``text`` in lower case, letter by letter, as Go does it (no rules that look at the neighbours)."""
    if text.isascii():
        return text.lower()
    return "".join("i" if c == "\u0130" else low if len(low := c.lower()) == 1 else c for c in text)


def slug(text: str) -> str:
    """``text`` trimmed, in lower case, with ``-`` for spaces and underscores; nothing else changes."""
    return to_lower(text.strip(SPACE)).replace(" ", "-").replace("_", "-")


def trunc_sha(text: str) -> str:
    """The first twelve characters."""
    return text[:SHA_LENGTH]


def env_or(env: Mapping[str, str], key: str, fallback: str) -> str:
    """``env[key]``, or ``fallback`` where that is unset or empty."""
    return env.get(key) or fallback


def env_required(env: Mapping[str, str], key: str) -> str:
    """``env[key]``; an error where that is unset or empty."""
    if value := env.get(key):
        return value
    raise FunctionError(
        f"{key} has no value: set it in the environment or in a file of envFiles, and for workflows in the "
        "repository's secret CODEXCTL_TEMPLATE_SECRETS or among its variables"
    )


def ternary(condition: object, yes: object, no: object) -> object:
    """``yes`` where ``condition`` is true, else ``no``. Only a real boolean will do."""
    if not isinstance(condition, bool):
        raise FunctionError(f"ternary wants true or false as its condition, not {type(condition).__name__}")
    return yes if condition else no


def indent(width: int, text: str) -> str:
    """Every line of ``text``, blank ones too, moved right by ``width`` spaces; newlines at the end are dropped."""
    if not 0 <= width <= 1000:
        raise FunctionError(f"indent wants a width from 0 to 1000, not {width}")
    text = text.rstrip("\n")
    if not text:
        return ""
    margin = " " * width
    return margin + text.replace("\n", "\n" + margin)


def trim_prefix(value: str, prefix: str) -> str:
    """``value`` without ``prefix`` at its start, if it is there."""
    return value.removeprefix(prefix)
