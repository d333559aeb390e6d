"""What one line of a project means to the Go tool `codexctl`, and what it means here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from codexctl_ci.errors import Finding
from codexctl_ci.stack.project import Project

ACT, KNOW = "act", "know"


@dataclass(frozen=True, slots=True)
class Difference:
    """``level`` is ``act`` (change it, or it fails or does something else) or ``know`` (it works, and works otherwise).

    ``line`` counts from 1, 0 where there is none. ``before`` is what it meant to the older tool, ``now`` what it means
    here, ``advice`` what to do, empty where nothing need be done.
    """

    file: str
    line: int
    level: str
    what: str
    before: str
    now: str
    advice: str = ""


@dataclass(frozen=True)
class OldProject:
    """A project as it stands. ``projects`` are its environments, as far as they can be read; ``faults`` say why others
    can't. ``texts`` are manifests and partials, ``workflows`` what stands below .github/workflows, each by path."""

    config: str
    text: str
    projects: Sequence[Project] = ()
    faults: Sequence[Finding] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    workflows: Mapping[str, str] = field(default_factory=dict)


def lines_with(text: str, word: str) -> list[int]:
    """The lines of ``text`` that hold ``word``, counted from 1."""
    return [number for number, line in enumerate(text.split("\n"), 1) if word in line]
