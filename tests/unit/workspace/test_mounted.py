"""A tree that the runner has mounted itself, without a cluster: what is copied, and what is never followed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

from codexctl_ci import process
from codexctl_ci.errors import BlockedByGuardrail, SlotMoved
from codexctl_ci.operations.sync_sources import Synced, sync_sources
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace import digests
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.manifest import tree_id
from codexctl_ci.workspace.mounted import MountedTree, MountFault, is_same_volume

FOLDER = PurePosixPath("codex/envs/3")


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Desk:
    """A checkout, a mounted volume, and what the record says."""

    source: Path
    mount: Path
    record: SourceTree = field(default_factory=SourceTree)
    check: Callable[[], None] = lambda: None

    @property
    def tree(self) -> MountedTree:
        return MountedTree(self.mount, FOLDER, process.run, self.check)

    @property
    def src(self) -> Path:
        return self.mount / FOLDER / "src"

    def checkout(self) -> Checkout:
        return Checkout(self.source, process.run, os.environ)

    def change(self, alter: Callable[[SourceTree], SourceTree]) -> None:
        self.record = alter(self.record)

    def sync(self, *, discard: bool = True) -> Synced:
        nothing: frozenset[str] = frozenset()
        return sync_sources(
            self.checkout(),
            self.tree,
            self.record,
            self.change,
            tree_id,
            lambda paths: nothing,
            discard_changes=discard,
        )

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_text(text)
        git(self.source, "add", "-A")
        git(self.source, "commit", "-qm", "next", "--allow-empty")

    def require_same(self) -> None:
        assert self.tree.measure() == self.checkout().manifest
        left = {path.name for path in (self.mount / FOLDER / "state").iterdir()}
        assert not [name for name in left if name.startswith((".", "incoming"))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "source", tmp_path / "mount")
    made.source.mkdir()
    made.mount.mkdir()
    git(made.source, "init", "-q", "-b", "main")
    (made.source / "run.sh").write_text("#!/bin/sh\n")
    (made.source / "run.sh").chmod(0o755)
    (made.source / "link").symlink_to("a.txt")
    made.write({"a.txt": "one\n", "sub/b c.txt": "two\n", "sub/deep/er/c": "", "uml/ü.txt": "ü"})
    yield made


def test_only_what_differs_is_copied_with_modes_and_deletions(desk: Desk) -> None:
    assert desk.sync().written == 6
    desk.require_same()
    modes = {name: (desk.src / name).lstat().st_mode & 0o777 for name in ("a.txt", "run.sh", "sub", ".", ".git")}
    assert modes == {"a.txt": 0o666, "run.sh": 0o777, "sub": 0o777, ".": 0o777, ".git": 0o777}
    assert git(desk.src, "status", "--porcelain") == ""
    assert git(desk.src, "rev-list", "--count", "HEAD") == "1"
    untouched = (desk.src / "run.sh").stat().st_ino
    git(desk.source, "rm", "-q", "sub/deep/er/c")
    (desk.source / "uml" / "ü.txt").chmod(0o755)
    desk.write({"a.txt": "changed\n"})
    done = desk.sync()
    assert (done.written, done.removed) == (2, 1)
    assert (desk.src / "run.sh").stat().st_ino == untouched
    assert not (desk.src / "sub" / "deep").exists() and (desk.src / "a.txt").read_text() == "changed\n"
    assert git(desk.src, "rev-parse", "HEAD") == git(desk.source, "rev-parse", "HEAD")
    desk.require_same()


def test_files_and_folders_change_places(desk: Desk) -> None:
    desk.sync()
    git(desk.source, "rm", "-rq", "sub", "a.txt", "link")
    desk.write({"a.txt/now/a folder": "x", "sub": "now a file"})
    (desk.src / "sub" / "empty" / "too").mkdir(parents=True)
    (desk.source / "link").mkdir()
    desk.write({"link/in": "x"})
    desk.sync()
    desk.require_same()
    git(desk.source, "rm", "-rq", "a.txt", "link")
    (desk.source / "link").symlink_to("sub")
    (desk.source / "a.txt").symlink_to("link")
    desk.write({})
    desk.sync()
    desk.require_same()


@pytest.mark.parametrize("quick", [True, False], ids=["at a glance", "file by file"])
def test_nothing_is_read_again_where_nothing_moved(desk: Desk, monkeypatch: pytest.MonkeyPatch, quick: bool) -> None:
    monkeypatch.setattr(digests, "_TICK", -(10**9))
    desk.sync()
    desk.record = SourceTree(desk.record.base, desk.record.synced)
    desk.sync()
    read: list[str] = []

    def digest_of(data: bytes) -> str:
        read.append(repr(data))
        return "none"

    monkeypatch.setattr("codexctl_ci.workspace.mounted.digest_of", digest_of)
    monkeypatch.setattr("codexctl_ci.workspace.checkout.digest_of", digest_of)
    if not quick:
        monkeypatch.setattr(digests, "_FIND", ("false",))
        # Links have no digest in store.
        (desk.source / "link").unlink()
        (desk.src / "link").unlink()
        git(desk.source, "rm", "-q", "--cached", "link")
    done = desk.sync()
    assert (done.written, done.removed, read) == (0, 0, [])


@pytest.mark.parametrize("side", ["source", "src"])
def test_change_of_the_same_size_is_seen_at_once(desk: Desk, side: str) -> None:
    """Also one made in the moment in which the files were measured."""
    desk.sync()
    for text in ("two\n", "ten\n", "six\n", "one\n", "won\n"):
        place = getattr(desk, side) / "a.txt"
        with place.open("r+") as file:
            file.write(text)
        if side == "source":
            git(desk.source, "commit", "-qam", "next")
        desk.sync()
        assert (desk.src / "a.txt").read_text() == (desk.source / "a.txt").read_text()


def test_sync_that_died_at_any_write_is_finished(desk: Desk) -> None:
    class Died(BaseException):
        pass

    died = 0
    for number in range(100):
        left = number

        def dies() -> None:
            nonlocal left
            if not left:
                raise Died
            left -= 1

        desk.write({"a.txt": f"{number}\n", f"new/{number}": "x"})
        git(desk.source, "rm", "-q", "--ignore-unmatch", f"new/{number - 1}")
        git(desk.source, "commit", "-qm", "gone", "--allow-empty")
        desk.check = dies
        try:
            desk.sync()
            break
        except Died:
            died += 1
        desk.check = lambda: None
        desk.sync()
        desk.require_same()
    assert 10 < died < 99


def test_run_that_lost_its_slot_writes_no_more(desk: Desk) -> None:
    desk.sync()

    def lost() -> None:
        raise SlotMoved("lost")

    desk.write({"a.txt": "mine\n"})
    desk.check = lost
    with pytest.raises(SlotMoved):
        desk.sync()
    assert (desk.src / "a.txt").read_text() == "one\n"


@pytest.mark.parametrize("where", ["sub", "sub/deep", ".git", "a.txt", "."])
def test_no_link_in_the_tree_is_followed(desk: Desk, tmp_path: Path, where: str) -> None:
    desk.sync()
    outside = tmp_path / "outside"
    (outside / "deep" / "er").mkdir(parents=True)
    (outside / "b c.txt").write_text("not yours\n")
    before = {path: path.read_text() for path in outside.rglob("*") if path.is_file()}
    place = desk.src if where == "." else desk.src / where
    subprocess.run(["rm", "-rf", str(place)], check=True)
    place.symlink_to(outside)
    desk.write({"a.txt": "next\n", "sub/b c.txt": "next\n", "sub/deep/er/c": "next\n"})
    try:
        desk.sync()
        desk.require_same()
    except MountFault:
        assert where in (".", ".git")
    assert {path: path.read_text() for path in outside.rglob("*") if path.is_file()} == before


def test_link_that_appears_while_it_is_written_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    desk.sync()
    outside = tmp_path / "outside"
    outside.mkdir()

    def swap() -> None:
        if not (desk.src / "sub").is_symlink():
            subprocess.run(["rm", "-rf", str(desk.src / "sub")], check=True)
            (desk.src / "sub").symlink_to(outside)

    desk.write({"sub/b c.txt": "next\n"})
    desk.check = swap
    with pytest.raises(MountFault):
        desk.sync()
    assert list(outside.iterdir()) == []


def test_odd_files_are_refused(desk: Desk) -> None:
    desk.sync()
    os.mkfifo(desk.src / "pipe")
    with pytest.raises(BlockedByGuardrail, match="pipe is neither"):
        desk.sync()
    (desk.src / "pipe").unlink()
    (desk.src / "a\nb").touch()
    with pytest.raises(BlockedByGuardrail, match="newline"):
        desk.sync()


def test_only_the_very_same_volume_is_written_to(desk: Desk, tmp_path: Path) -> None:
    state = desk.mount / FOLDER / "state"
    state.mkdir(parents=True)

    def show(word: str) -> str:
        (state / "word-1").write_text(word)
        return "word-1"

    assert is_same_volume(desk.tree, show)
    assert not (state / "word-1").exists()
    (tmp_path / "other").mkdir()
    other = MountedTree(tmp_path / "other", FOLDER, process.run)
    assert not is_same_volume(other, show)
    assert list((tmp_path / "other").iterdir()) == []
    copy = MountedTree(tmp_path / "copy", FOLDER, process.run)
    subprocess.run(["cp", "-a", str(desk.mount), str(copy.mount)], check=True)
    assert not is_same_volume(copy, show), "an old word is no proof"
    assert not is_same_volume(MountedTree(tmp_path / "none", FOLDER, process.run), lambda word: pytest.fail("asked"))


@pytest.mark.parametrize("how", [("--depth=1",), ("--shared",), ("--no-local",)], ids=lambda how: how[0])
def test_repository_in_the_slot_stands_alone_however_the_checkout_was_cloned(
    desk: Desk, tmp_path: Path, how: tuple[str, ...]
) -> None:
    desk.write({"a.txt": "later\n"})
    before = desk.source
    desk.source = tmp_path / "clone"
    git(tmp_path, "clone", "-q", *how, before.as_uri() if how[0] == "--depth=1" else str(before), str(desk.source))
    desk.sync()
    subprocess.run(["rm", "-rf", str(before)], check=True)
    assert git(desk.src, "rev-list", "--count", "HEAD") == "1"
    assert git(desk.src, "fsck", "--full") == "" and git(desk.src, "status", "--porcelain") == ""
    assert not (desk.src / ".git" / "objects" / "info" / "alternates").exists()


def test_checkout_on_another_file_system_is_copied(desk: Desk, tmp_path: Path) -> None:
    """Where temporary files lie elsewhere than the checkout, git may not rename from one to the other."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        subprocess.run(["cp", "-a", f"{desk.source}/.", folder], check=True)
        desk.source = Path(folder)
        desk.sync()
        desk.require_same()
