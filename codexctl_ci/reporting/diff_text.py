"""A diff of objects for people, as unified diffs of their YAML, and for programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from codexctl_ci.stack.objects import Manifest, Ref

_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
_BOLD, _OFF = "\x1b[1m", "\x1b[0m"


class Difference(Protocol):
    """One object before and after (``operations.diff.ObjectDiff``); ``fate`` is a word."""

    @property
    def ref(self) -> Ref: ...
    @property
    def fate(self) -> str: ...
    @property
    def before(self) -> Manifest | None: ...
    @property
    def after(self) -> Manifest | None: ...
    @property
    def note(self) -> str: ...
    @property
    def differs(self) -> bool: ...


def as_text(differences: Sequence[Difference], *, colour: bool) -> str:
    """All that differs as unified diffs, and one line that counts."""
    parts = []
    for difference in differences:
        if not difference.differs and not difference.note:
            continue
        note = f" ({difference.note})" if difference.note else ""
        parts.append(_painted(f"{difference.fate}: {difference.ref}{note}", _BOLD, colour))
        parts += [_line(line, colour) for line in unified(difference)]
    return "\n".join([*parts, headline(differences)])


def headline(differences: Sequence[Difference]) -> str:
    """``3 of 42 objects differ: 1 create, 2 change``."""
    counts: dict[str, int] = {}
    for difference in differences:
        if difference.differs:
            counts[str(difference.fate)] = counts.get(str(difference.fate), 0) + 1
    total = sum(counts.values())
    if not total:
        return f"no difference in {len(differences)} objects"
    return f"{total} of {len(differences)} objects differ: " + ", ".join(f"{n} {word}" for word, n in counts.items())


def unified(difference: Difference) -> list[str]:
    """The lines of a unified diff, without their newlines; empty where nothing differs."""
    if not difference.differs:
        return []
    name = str(difference.ref)
    before, after = _lines(difference.before), _lines(difference.after)
    found = difflib.unified_diff(before, after, f"live {name}", f"stack {name}", lineterm="")
    return list(found)


def as_data(differences: Sequence[Difference]) -> dict[str, Any]:
    """For ``--output json``: ``{changed, objects: [{apiVersion, kind, namespace, name, fate, note, diff}]}``."""
    return {
        "changed": any(difference.differs for difference in differences),
        "objects": [
            {
                "apiVersion": difference.ref.api_version,
                "kind": difference.ref.kind,
                "namespace": difference.ref.namespace,
                "name": difference.ref.name,
                "fate": str(difference.fate),
                "note": difference.note,
                "diff": "\n".join(unified(difference)),
            }
            for difference in differences
        ],
    }


def as_markdown(differences: Sequence[Difference], title: str) -> str:
    """A section of the job summary."""
    lines = [f"### {title}", "", headline(differences), ""]
    changed = [difference for difference in differences if difference.differs]
    if changed:
        body = "\n".join(line for difference in changed for line in unified(difference))
        fence = "`" * max(3, 1 + max((len(run) for run in _runs(body)), default=0))
        lines += [f"{fence}diff", body, fence]
    return "\n".join(lines)


def _lines(manifest: Mapping[str, Any] | None) -> list[str]:
    if manifest is None:
        return []
    from codexctl_ci.stack.yaml_text import to_yaml

    return [line for line in to_yaml([dict(manifest)]).splitlines() if line != "---"]


def _line(text: str, colour: bool) -> str:
    return _painted(text, _COLOURS.get(text[:1], ""), colour)


def _painted(text: str, code: str, colour: bool) -> str:
    return f"{code}{text}{_OFF}" if colour and code else text


def _runs(text: str) -> list[str]:
    found, run = [], ""
    for character in text + " ":
        if character == "`":
            run += character
        elif run:
            found.append(run)
            run = ""
    return found
