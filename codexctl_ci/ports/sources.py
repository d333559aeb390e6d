"""Sources on their way out: a slot's tree, and the branch that its changes go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of the slot's sources that differs from their base. ``kind`` is ``file symlink deleted submodule``.

    ``content`` is what it holds (a link's target), empty where deleted.
    """

    path: str
    kind: str
    executable: bool
    content: bytes


class SlotTree(Protocol):
    """The sources in a slot, seen from outside: what is there counts as foreign input."""

    def base(self) -> str:
        """The commit that the sources came from or were published as last."""

    def changes(self, *, max_files: int, max_bytes: int) -> tuple[TreeFile, ...]:
        """Files that differ from the base. Raises BlockedByGuardrail where there are more than the limits let pass."""

    def published(self, commit: str) -> None:
        """Record that the tree as it is now stands on the server as ``commit``: it is clean from here on."""


class BranchHost(Protocol):
    """A clone of ours that makes commits from bytes and pushes them."""

    def fetch(self, branches: Sequence[str], commits: Sequence[str] = ()) -> dict[str, str]:
        """Fetch branches and commits; each existing branch's commit."""

    def tree(self, commit: str) -> str:
        """The id of a commit's tree."""

    def before(self, commit: str, paths: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """Kind (``file executable symlink submodule``) and bytes of those ``paths`` that the commit has."""

    def differing(self, old: str, new: str) -> tuple[str, ...]:
        """The paths at which two commits differ; a file that was moved is at two of them."""

    def commit(
        self,
        parent: str,
        puts: Mapping[str, tuple[str, bytes]],
        removals: Sequence[str],
        message: str,
        author: tuple[str, str],
        when: int,
    ) -> str:
        """A commit on ``parent``; ``parent`` itself where nothing changes."""

    def contains(self, head: str, commit: str) -> bool:
        """Whether ``commit`` is ``head`` or one of its ancestors."""

    def rebased(self, commit: str, onto: str, author: tuple[str, str], when: int) -> str | None:
        """What ``commit`` does to its parent, done to ``onto``: ``commit`` itself where it stands on ``onto``, ``onto``
        where that has it already, None where they contradict each other."""

    def push(self, commit: str, branch: str) -> bool:
        """Move the branch on to ``commit``, never by force; False where it has moved away from under it."""
