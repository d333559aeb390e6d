"""Which files of a build context are left out: the rules of ``.dockerignore``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from codexctl_ci.errors import ConfigError

_CLASS = re.compile(r"\[\^?(?:(?:\\.|[^\]\\-])(?:-(?:\\.|[^\]\\-]))?)+\]", re.DOTALL)


class Ignore:
    """The rules in ``text``: anchored at the context's root, the last match decides, ``!`` takes back.

    Paths are relative to the context, with ``/``. Raises ConfigError, naming ``file``, for a pattern that Docker
    refuses.
    """

    def __init__(self, text: str = "", file: str = ".dockerignore") -> None:
        self._rules = list(_rules(text, file))
        self.takes_back = any(negative for _, negative in self._rules)

    def ignores(self, path: str) -> bool:
        """Whether ``path``, or a folder above it, is left out."""
        left_out = False
        for pattern, negative in self._rules:
            if left_out is negative and pattern.fullmatch(path):
                left_out = not negative
        return left_out


def _rules(text: str, file: str) -> Iterator[tuple[re.Pattern[str], bool]]:
    for line in text.split("\n"):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        negative = pattern.startswith("!")
        pattern = posixpath.normpath(pattern.removeprefix("!").strip() or "/").lstrip("/")
        try:
            if negative and not pattern:
                raise ValueError("nothing to take back")
            # What lies in a folder that matches, matches.
            yield re.compile(f"(?:{_translate(pattern)})(?:/.*)?", re.DOTALL), negative
        except (re.error, ValueError) as error:
            raise ConfigError(f"{line.strip()!r} is no pattern", obj=file, reason=str(error)) from None


def _translate(pattern: str) -> str:
    """The pattern as a regular expression; what ``**`` means depends on what stands beside it, as it does in Docker."""
    if pattern.startswith("**") and not re.search(r"[*?\[\]\\]", pattern[2:]):
        end = re.escape(pattern[2:])
        return f".*{end}|{end.removeprefix('/')}"
    out, at = "", 0
    while at < len(pattern):
        sign = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("**/", at) else 2
            out += "(?:.*/)?" if at < len(pattern) else ".*"
            continue
        if sign == "[":
            found = _CLASS.match(pattern, at)
            if found is None:
                raise ValueError("a [ that does not end")
            out, at = out + found[0].replace("[[", r"[\[").replace("[^[", r"[^\["), found.end()
            continue
        if sign == "\\":
            at += 1
            if at == len(pattern):
                raise ValueError("a backslash with nothing after it")
            out += re.escape(pattern[at])
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(sign) or re.escape(sign)
        at += 1
    return out
