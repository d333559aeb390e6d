"""May this change be published? Judged file by file, before anything of it reaches a repository."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from codexctl_ci.guardrails.secrets import leaks

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

_ALLOW = "to allow it, name the path in codex.publish.allowPaths"


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
    """What the project allows. ``allow`` are globs of protected paths that agents may change here."""

    allow: tuple[str, ...] = ()
    max_files: int = 500
    max_file_bytes: int = 5 * MIB
    max_total_bytes: int = 20 * MIB
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


def judge_change(changes: Sequence[FileChange], policy: Policy) -> list[Violation]:
    """Every rule that the change breaks, in the order of its files; an empty list lets it pass."""
    found = list(_sizes(changes, policy))
    for change in changes:
        found.extend(_judge_file(change, policy))
    found.extend(_chains(changes))
    found.extend(_collisions(changes))
    return found


def _judge_file(change: FileChange, policy: Policy) -> Iterator[Violation]:
    problem = path_problem(change.path)
    if problem:
        yield Violation("path", change.path, problem)
        return
    if matches(change.path, (*PROTECTED, *INSTRUCTIONS)) and not matches(change.path, policy.allow):
        what = "steers agents" if matches(change.path, INSTRUCTIONS) else "steers the repository"
        yield Violation("protected", change.path, f"this file {what}", allow=_ALLOW)
    if change.kind == "submodule":
        yield Violation("submodule", change.path, "submodules are not changed by agents")
    if change.kind == "symlink":
        yield from _judge_link(change)
    newly_executable = change.executable and not change.was_executable and change.before is not None
    if change.kind == "file" and newly_executable and not matches(change.path, policy.allow):
        yield Violation("executable", change.path, "an existing file becomes executable", allow=_ALLOW)
    if change.kind in ("file", "symlink"):
        for leak in leaks(change.content, policy.secrets, change.before or b""):
            yield Violation("secret", change.path, f"{leak.what} stands here", leak.line)
    for leak in leaks(change.path.encode(), policy.secrets):
        yield Violation("secret", "(a file's name)", f"{leak.what} stands in the name of a file")


def _judge_link(change: FileChange) -> Iterator[Violation]:
    target = PurePosixPath(change.content.decode("utf-8", "replace"))
    here = list(PurePosixPath(change.path).parent.parts)
    leaves = target.is_absolute()
    for part in target.parts:
        if part == "..":
            if not here:
                leaves = True
                break
            here.pop()
        elif part != ".":
            here.append(part)
    if leaves:
        yield Violation("symlink", change.path, f"the link leads out of the repository, to {target}")
    elif here and _is_dot_git(here[0]):
        yield Violation("symlink", change.path, "the link leads into .git")


def _chains(changes: Sequence[FileChange]) -> Iterator[Violation]:
    """Links that lead on through other links of the same change: where those end cannot be seen from their names."""
    links = {change.path for change in changes if change.kind == "symlink"}
    for change in changes:
        if change.kind != "symlink":
            continue
        here = list(PurePosixPath(change.path).parent.parts)
        for part in PurePosixPath(change.content.decode("utf-8", "replace")).parts:
            if part == "..":
                del here[-1:]
            elif part != ".":
                here.append(part)
            if "/".join(here) in links:
                yield Violation("symlink", change.path, f"the link leads on through the link {'/'.join(here)}")
                break


def _sizes(changes: Sequence[FileChange], policy: Policy) -> Iterator[Violation]:
    how = "larger changes need codex.publish.maxFiles, maxFileSize or maxTotalSize"
    if len(changes) > policy.max_files:
        message = f"{len(changes)} files changed, and {policy.max_files} are the limit"
        yield Violation("size", "(all files)", message, allow=how)
    total = sum(len(change.content) for change in changes)
    if total > policy.max_total_bytes:
        message = f"{total} bytes in all, and {policy.max_total_bytes} are the limit"
        yield Violation("size", "(all files)", message, allow=how)
    for change in changes:
        if len(change.content) > policy.max_file_bytes:
            message = f"{len(change.content)} bytes, and {policy.max_file_bytes} are the limit"
            yield Violation("size", change.path, message, allow=how)


def _collisions(changes: Sequence[FileChange]) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for change in changes:
        if change.kind == "deleted":
            continue
        folded = unicodedata.normalize("NFC", change.path).casefold()
        other = seen.setdefault(folded, change.path)
        if other != change.path:
            yield Violation("path", change.path, f"differs from {other} only by case, and some systems can't keep both")


def path_problem(path: str) -> str:
    """Why no repository should hold this path, empty where it is fine."""
    if not path or path.startswith("/") or len(path) > 1024:
        return "not a path inside the repository"
    if any(ord(char) < 32 or ord(char) == 127 for char in path) or "\\" in path:
        return "control characters or backslashes in the name"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "not a path inside the repository"
        if _is_dot_git(part):
            return "inside .git, or a name that some system takes for it"
    return ""


def _is_dot_git(part: str) -> bool:
    # What HFS+ and NTFS take for .git: ignorable code points, trailing dots and spaces, streams, the short name.
    plain = "".join(char for char in part if unicodedata.category(char) != "Cf")
    plain = unicodedata.normalize("NFKC", plain).casefold().partition(":")[0].rstrip(". ")
    return plain == ".git" or (plain.startswith("git~") and plain[4:].isdigit())


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether one of ``globs`` matches the whole path, in any case; ``**`` reaches over folders, ``*`` too."""
    low = path.casefold()
    return any(fnmatchcase(low, glob.casefold().replace("**", "*")) for glob in globs)
