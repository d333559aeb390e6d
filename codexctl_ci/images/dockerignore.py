"""Which files of a build context are left out: the rules of ``.dockerignore``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable


class Ignore:
    """The patterns of one ``.dockerignore``: anchored at the context's root, the last match decides, ``!`` takes back.

    Paths are relative to the context, with ``/``.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]
        self.takes_back = any(negative for _, negative in self._rules)

    def ignores(self, path: str) -> bool:
        """Whether ``path``, or a folder above it, is left out."""
        parts = path.split("/")
        ancestors = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        left_out = False
        for pattern, negative in self._rules:
            if left_out is negative and any(pattern.fullmatch(each) for each in ancestors):
                left_out = not negative
        return left_out


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    negative = text.startswith("!")
    text = posixpath.normpath(text.removeprefix("!").strip() or ".").lstrip("/")
    if text in (".", ""):
        return None
    return re.compile(_translate(text)), negative


def _translate(pattern: str) -> str:
    out, at = "", 0
    while at < len(pattern):
        sign = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + r"(?:[^/]+/)*", at + 3
            continue
        if pattern.startswith("**", at):
            out, at = out + ".*", at + 2
            continue
        end = pattern.find("]", at + 2) if sign == "[" else -1
        if sign == "*":
            out += "[^/]*"
        elif sign == "?":
            out += "[^/]"
        elif end > 0:
            body = pattern[at + 1 : end]
            out += "[" + ("^" + body[1:] if body.startswith("^") else body).replace("\\", "\\\\") + "]"
            at = end
        elif sign == "\\" and at + 1 < len(pattern):
            at += 1
            out += re.escape(pattern[at])
        else:
            out += re.escape(sign)
        at += 1
    return out
