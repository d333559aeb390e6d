"""What is judged before it is published, by which policy, and what a refusal says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

MIB = 1024 * 1024

PROTECTED = (
    # The folders' own names: a link or a file may take a folder's place.
    ".github",
    ".github/workflows",
    ".github/actions",
    ".github/workflows/**",
    ".github/actions/**",
    ".github/actions.lock",
    "CODEOWNERS",
    ".github/CODEOWNERS",
    "docs/CODEOWNERS",
    ".gitmodules",
)
"""What steers the repository itself: an agent changes it only where the project allows the path."""

INSTRUCTIONS = (
    *("AGENTS.md", "**/AGENTS.md", "AGENTS.override.md", "**/AGENTS.override.md"),
    *(".codex", "**/.codex", ".codex/**", "**/.codex/**"),
    *(".agents", "**/.agents", ".agents/**", "**/.agents/**"),
)
"""What steers the next agent."""

PICTURES = tuple(f"*.{ending}" for ending in ("png", "jpg", "jpeg", "gif", "webp", "avif", "ico", "woff", "woff2"))
"""Binary files that web projects are made of."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file. ``content`` is what it holds now (a symlink's target), ``before`` what it held.

    ``path`` is relative to the repository, with ``/``. ``executable`` is the mode now, ``was_executable`` before.
    """

    path: str
    kind: Literal["file", "symlink", "deleted", "submodule"]
    content: bytes = b""
    before: bytes | None = None
    executable: bool = False
    was_executable: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What the project lets agents publish; each field is the key of ``guardrails`` with a similar name.

    ``secrets`` must not be published in any form (see ``secrets.needles``).
    """

    protected: tuple[str, ...] = ()
    allow_protected: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    max_files: int = 500
    max_lines: int = 20_000
    max_file_bytes: int = 5 * MIB
    max_total_bytes: int = 20 * MIB
    binaries: tuple[str, ...] = PICTURES
    executables: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    links: bool = True
    message_pattern: str = ""
    plain_secrets: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()
    hyphens: bool = True
    secrets: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that forbids the change, where, and how to allow it (empty where nothing does)."""

    rule: str
    path: str
    message: str
    line: int = 0
    allow: str = ""

    def __str__(self) -> str:
        place = self.path + (f":{self.line}" if self.line else "")
        return f"{self.rule}: {place}: {self.message}" + (f" ({self.allow})" if self.allow else "")


def allowing(key: str) -> str:
    """How a person allows what a rule refused."""
    return f"to allow it, see guardrails.{key} in services.yaml"


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether one of ``globs`` matches the whole path, in any case; ``**`` reaches over folders, ``*`` too."""
    low = path.casefold()
    return any(fnmatchcase(low, glob.casefold().replace("**", "*")) for glob in globs)
