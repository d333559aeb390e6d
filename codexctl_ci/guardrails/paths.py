"""Names and links that lead elsewhere than they seem to."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from codexctl_ci.guardrails.policy import FileChange, Violation

_UNSEEN = frozenset({"Cf", "Zl", "Zp", "Co", "Cs"})
"""Categories of characters that people don't see, or that turn the text around; undecodable bytes among them."""


def path_problem(path: str, *, new: bool = True) -> str:
    """Why no repository should hold this path, empty where it is fine. ``new``: it was not there before."""
    if not path or path.startswith("/") or len(path) > 1024:
        return "not a path inside the repository"
    if any(ord(char) < 32 or ord(char) == 127 for char in path) or "\\" in path:
        return "control characters or backslashes in the name"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "not a path inside the repository"
        if _is_dot_git(part):
            return "inside .git, or a name that some system takes for it"
    for char in path if new else "":
        if unicodedata.category(char) in _UNSEEN:
            return f"the name holds U+{ord(char):04X}, which nobody sees"
    return ""


def shown(path: str) -> str:
    """The path as it can be told: what is not seen is written as its code."""
    return "".join(
        f"\\u{{{ord(char):x}}}" if ord(char) < 32 or unicodedata.category(char) in _UNSEEN else char for char in path
    )


def link_problem(change: FileChange) -> str:
    """Why the link leads where it must not, by its own words."""
    words = change.content.decode("utf-8", "surrogateescape")
    for char in words:
        if unicodedata.category(char) in _UNSEEN:
            return f"the link's target holds U+{ord(char):04X}, which nobody sees"
    target = PurePosixPath(words)
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
        return f"the link leads out of the repository, to {shown(str(target))}"
    if here and _is_dot_git(here[0]):
        return "the link leads into .git"
    return ""


def chains(changes: Sequence[FileChange]) -> Iterator[Violation]:
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
                yield Violation("symlink", change.path, f"the link leads on through the link {'/'.join(here)}", 1)
                break


def collisions(changes: Sequence[FileChange]) -> Iterator[Violation]:
    """Names that some file systems take for one."""
    seen: dict[str, str] = {}
    for change in changes:
        if change.kind == "deleted":
            continue
        folded = unicodedata.normalize("NFC", change.path).casefold()
        other = seen.setdefault(folded, change.path)
        if other != change.path:
            yield Violation("path", change.path, f"differs from {other} only by case, and some systems can't keep both")


def _is_dot_git(part: str) -> bool:
    # What HFS+ and NTFS take for .git: ignorable code points, trailing dots and spaces, streams, the short name.
    plain = "".join(char for char in part if unicodedata.category(char) != "Cf")
    plain = unicodedata.normalize("NFKC", plain).casefold().partition(":")[0].rstrip(". ")
    return plain == ".git" or (plain.startswith("git~") and plain[4:].isdigit())
