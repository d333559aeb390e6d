"""What a Dockerfile stands on: the images that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
_VARIABLE = re.compile(r"\\(.)|\$(?:\{(\w+)(?:(:?[-+])((?:[^{}]|\{[^}]*\})*))?\}|(\w+))")
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_SOURCE = re.compile(r"--from=[\"']?([^\s\"']+)|--mount=\S*\bfrom=([^,\s]+)", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_PREDEFINED = ("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "BUILDPLATFORM", "BUILDOS", "BUILDARCH")


def base_images(text: str, arguments: Mapping[str, str], contexts: frozenset[str] = frozenset()) -> list[str]:
    """The images that the Dockerfile ``text`` takes from elsewhere, each once, in order.

    ``arguments`` are the build arguments; names in ``contexts`` are further build contexts and no images, nor are
    earlier stages and ``scratch``.
    """
    known: dict[str, str] = dict.fromkeys(_PREDEFINED, "")
    stages: set[str] = set()
    found: dict[str, None] = {}
    begun = 0
    for line in instructions(text):
        word, _, rest = line.partition(" ")
        word = word.upper()
        if word == "ARG" and not begun:
            for name, default in _declared(rest):
                known[name] = arguments.get(name, _expand(default, known))
        elif word == "FROM":
            match = _FROM.match(line)
            if match is None:
                continue
            image = _expand(match[1].strip("\"'"), {**known, **{n: v for n, v in arguments.items() if n in known}})
            if image and image.lower() not in stages and image != "scratch" and image not in contexts:
                found[image] = None
            stages |= {str(begun), *([match[2].lower()] if match[2] else [])}
            begun += 1
        elif word in ("COPY", "ADD", "RUN"):
            for match in _SOURCE.finditer(rest):
                name = match[1] or match[2]
                if name.lower() not in stages and not name.isdigit() and name not in contexts and name != "scratch":
                    found[name] = None
    return list(found)


def instructions(text: str) -> Iterator[str]:
    """The instructions of a Dockerfile, continued lines joined, comments and bodies of here-documents left out."""
    escape = _escape_of(text)
    pending = ""
    ends: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if ends:
            if raw.lstrip("\t").rstrip() == ends[0]:
                ends.pop(0)
            continue
        if not line or line.startswith("#"):
            continue
        if line.endswith(escape):
            pending += line[:-1] + " "
            continue
        whole, pending = (pending + line).strip(), ""
        if whole.split(" ", 1)[0].upper() in ("RUN", "COPY", "ADD"):
            ends = [match[2] for match in _HEREDOC.finditer(whole)]
        yield whole
    if pending.strip():
        yield pending.strip()


def _escape_of(text: str) -> str:
    for line in text.splitlines():
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _declared(text: str) -> Iterator[tuple[str, str]]:
    for part in re.findall(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+", text):
        name, _, default = part.partition("=")
        yield name, default.strip("\"'")


def _expand(text: str, values: Mapping[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        name = match[2] or match[5]
        value, mark, word = values.get(name), match[3] or "", match[4] or ""
        there = bool(value) if ":" in mark else value is not None
        if mark.endswith("-"):
            return value or "" if there else _expand(word, values)
        if mark.endswith("+"):
            return _expand(word, values) if there else ""
        return value or ""

    return _VARIABLE.sub(one, text)
