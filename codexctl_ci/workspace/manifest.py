"""What a tree of sources holds, file by file: the measure of what changed in it.

``.git`` and our own folder at the tree's root are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

OUTSIDE = (".git", ".codexctl", ".codexctl-ci")
"""Top-level names in a tree that are not sources."""
NO_SOURCE = "rename or remove it in the slot, or give it up: ci sync-sources --discard-changes"
"""What to do about a name or a kind of file that no repository holds."""


class Entry(NamedTuple):
    """One file: ``kind`` is ``file`` or ``symlink``; ``digest`` the SHA-256 of its bytes (of a link's target)."""

    kind: str
    executable: bool
    digest: str


Manifest = Mapping[str, Entry]
"""Paths relative to the tree, with ``/``, to what stands there."""


def is_source(path: str) -> bool:
    """Whether the path is one of the sources."""
    return path.partition("/")[0] not in OUTSIDE


def digest_of(content: bytes) -> str:
    """The digest of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def to_text(manifest: Manifest) -> bytes:
    """The manifest as one JSON array a line, in the order of paths: path, kind, executable, digest."""
    rows = (
        f'[{encode_basestring_ascii(path)}, "{kind}", {"true" if executable else "false"}, "{digest}"]\n'
        for path, (kind, executable, digest) in sorted(manifest.items())
    )
    return "".join(rows).encode()


def from_text(data: bytes) -> dict[str, Entry]:
    """What ``to_text`` wrote. Raises ValueError for anything else."""
    found: dict[str, Entry] = {}
    for line in data.splitlines():
        path, kind, executable, digest = json.loads(line)
        found[path] = Entry(kind, executable, digest)
    return found


def tree_id(manifest: Manifest) -> str:
    """One word that names exactly this content."""
    return hashlib.sha256(to_text(manifest)).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """How a tree differs from what it was: paths, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted((*self.added, *self.changed, *self.removed)))

    def __str__(self) -> str:
        parts = ((self.added, "new"), (self.changed, "changed"), (self.removed, "deleted"))
        return ", ".join(f"{len(paths)} {word}" for paths, word in parts if paths) or "nothing"


def difference(before: Manifest, now: Manifest) -> Difference:
    """What became of ``before``."""
    return Difference(
        added=tuple(sorted(path for path in now if path not in before)),
        changed=tuple(sorted(path for path in now if path in before and before[path] != now[path])),
        removed=tuple(sorted(path for path in before if path not in now)),
    )


def without(manifest: Manifest, paths: Iterable[str]) -> dict[str, Entry]:
    """The manifest less some paths."""
    left_out = set(paths)
    return {path: entry for path, entry in manifest.items() if path not in left_out}
