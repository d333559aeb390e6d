"""What publishing records of a slot's sources, and that a death between two of its steps loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pytest

from codexctl_ci.errors import CodexctlError
from codexctl_ci.ports import TreeFile
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.manifest import Entry, Manifest, digest_of, tree_id
from codexctl_ci.workspace.slot_tree import VolumeSlotTree
from codexctl_ci.workspace.sync_pod import SyncPod
from codexctl_ci.workspace.volume import VolumeTree
from tests.support.memory_cluster import MemoryCluster


class Died(Exception):
    """The process was killed here."""


class Volume(VolumeTree):
    """A tree in memory in place of the one behind a pod."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(SyncPod(MemoryCluster(), "shop-dev-1"), PurePosixPath("1"))
        self.__dict__.update(files=files, manifest={})

    files: dict[str, bytes]
    manifest: Manifest

    def measure(self) -> dict[str, Entry]:
        return {path: Entry("file", False, digest_of(content)) for path, content in self.files.items()}

    def known(self) -> dict[str, Entry]:
        return dict(self.manifest)

    def remember(self, manifest: Manifest) -> None:
        self.__dict__["manifest"] = manifest

    def read(self, paths: Sequence[str], *, max_bytes: int) -> tuple[TreeFile, ...]:
        return tuple(TreeFile(path, "file", False, self.files[path]) for path in paths)


@dataclass
class Slot:
    """A volume and the record of its slot; ``lives`` is how many writes to the record still get through."""

    volume: Volume
    record: SourceTree
    lives: int = 99
    history: list[SourceTree] = field(default_factory=list)

    def change(self, alter: Callable[[SourceTree], SourceTree]) -> None:
        if not self.lives:
            raise Died
        self.lives -= 1
        self.record = alter(self.record)

    def open(self) -> VolumeSlotTree:
        return VolumeSlotTree(self.volume, self.record, lambda paths, volume: frozenset(), self.change)

    def changed(self) -> list[str]:
        return [file.path for file in self.open().changes(max_files=9, max_bytes=999)]


@pytest.fixture
def slot() -> Slot:
    volume = Volume({"a.txt": b"old"})
    volume.remember(volume.measure())
    made = Slot(volume, SourceTree(base="c0", synced=tree_id(volume.known()), touched=True))
    volume.files["a.txt"] = b"new"
    return made


def test_published_tree_is_clean_and_stands_on_its_commit(slot: Slot) -> None:
    tree = slot.open()
    assert [file.path for file in tree.changes(max_files=9, max_bytes=999)] == ["a.txt"]
    tree.published("c1")
    assert slot.changed() == [] and slot.open().base() == "c1"
    assert slot.record.synced == slot.record.published == tree_id(slot.volume.measure())


@pytest.mark.parametrize("lives", [0, 1])
def test_death_while_publishing_is_recorded_can_be_repeated(slot: Slot, lives: int) -> None:
    tree = slot.open()
    tree.changes(max_files=9, max_bytes=999)
    slot.lives = lives
    with pytest.raises(Died):
        tree.published("c1")
    slot.lives = 99
    again = slot.open()
    again.changes(max_files=9, max_bytes=999)
    again.published("c1")
    assert slot.changed() == [] and slot.open().base() == "c1"


def test_manifest_that_nobody_recorded_is_not_believed(slot: Slot) -> None:
    slot.volume.remember({})
    with pytest.raises(CodexctlError, match="somebody else wrote"):
        slot.changed()
