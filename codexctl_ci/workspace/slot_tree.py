"""The sources of a slot as publishing sees them: files that differ from their base, as bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from codexctl_ci.errors import BlockedByGuardrail, CodexctlError
from codexctl_ci.guardrails.policy import allowing
from codexctl_ci.ports import TreeFile
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.manifest import Manifest, difference, tree_id, without
from codexctl_ci.workspace.volume import VolumeTree, same

_READS = 3


@dataclass
class VolumeSlotTree:
    """Implements the port. ``ignored`` tells which of new paths the base's rules leave out; ``record`` writes what is
    known of the tree into the slot's record."""

    volume: VolumeTree
    tree: SourceTree
    ignored: Callable[[tuple[str, ...], VolumeTree], frozenset[str]]
    record: Callable[[Callable[[SourceTree], SourceTree]], None]
    seen: Manifest | None = None

    def base(self) -> str:
        """The commit of the tree."""
        if not self.tree.base:
            raise CodexctlError("nobody knows which commit the slot's sources come from", hint="run ensure-ready again")
        return self.tree.base

    def changes(self, *, max_files: int, max_bytes: int) -> tuple[TreeFile, ...]:
        """Files that differ, read twice where the tree changed meanwhile."""
        for _ in range(_READS):
            known = self.volume.known()
            if self.tree.synced and tree_id(known) not in (self.tree.synced, self.tree.published):
                raise CodexctlError(
                    "what is known about the sources is not what was recorded",
                    hint="somebody else wrote to the workspace volume; look at it before you publish",
                )
            now = self.volume.measure() or {}
            change = difference(known, now)
            left_out = self.ignored(change.added, self.volume)
            present = [path for path in (*change.added, *change.changed) if path not in left_out]
            count = len(present) + len(change.removed)
            if count > max_files:
                raise BlockedByGuardrail(
                    f"size: (all files): {count} files changed, and {max_files} are the limit",
                    hint=allowing("maxFiles"),
                )
            files = self.volume.read(present, max_bytes=max_bytes)
            if len(files) == len(present) and all(same(file, now[file.path]) for file in files):
                self.seen = without(now, left_out)
                gone = tuple(TreeFile(path, "deleted", False, b"") for path in change.removed)
                return tuple(sorted((*files, *gone), key=lambda file: file.path))
        raise CodexctlError("the sources change while they are read", hint="is an agent still at work in the slot?")

    def published(self, commit: str) -> None:
        """What ``changes`` saw last stands on the server as ``commit``."""
        seen: Manifest = self.seen if self.seen is not None else self.volume.known()
        now = tree_id(seen)
        # First what is about to be remembered: a death in between leaves two manifests that are both accounted for.
        self.record(lambda tree: replace(tree, base=commit, published=now))
        self.volume.remember(seen)
        self.record(lambda tree: SourceTree(base=commit, synced=now, published=now, touched=tree.touched))
        self.tree = SourceTree(base=commit, synced=now, published=now, touched=self.tree.touched)
