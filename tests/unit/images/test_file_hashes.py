"""Hashes of files that are remembered from run to run."""

from __future__ import annotations

import hashlib
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from codexctl_ci.images.file_hashes import FileHashes

LATER = 3_600_000_000_000


def after(store: Path, hours: int = 1) -> FileHashes:
    """A run that begins so many hours from now."""
    return FileHashes(store, lambda: time.time_ns() + hours * LATER)


def hashed(hashes: FileHashes, *files: Path) -> list[str]:
    found = [hashes.of(str(file), file.stat()) for file in files]
    hashes.save()
    return found


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "contexts" / "one.json"


def test_unchanged_file_is_not_read_again(tmp_path: Path, store: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("")
    first = after(store)
    assert hashed(first, one, two) == [sha("1"), sha("")] and first.read == 2
    two.write_text("2")
    second = after(store)
    assert hashed(second, one, two) == [sha("1"), sha("2")] and second.read == 1
    third = after(store)
    assert hashed(third, one, two) == [sha("1"), sha("2")] and third.read == 0


def test_change_shows_with_size_and_time_as_they_were(tmp_path: Path, store: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    before = file.stat()
    hashed(after(store), file)
    file.write_text("new")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert hashed(after(store), file) == [sha("new")]


def test_file_written_just_now_is_read_again(tmp_path: Path, store: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    hashed(FileHashes(store), file)
    again = FileHashes(store)
    assert hashed(again, file) == [sha("1")] and again.read == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "[1]", '[1, {"a": 1}]', "[99, {}]", "null", "\x00"])
def test_broken_store_costs_time_only(tmp_path: Path, store: Path, text: str) -> None:
    store.parent.mkdir(parents=True)
    store.write_text(text)
    file = tmp_path / "file"
    file.write_text("1")
    assert hashed(after(store), file) == [sha("1")]
    again = after(store)
    hashed(again, file)
    assert again.read == 0 and list(store.parent.iterdir()) == [store]


def test_where_nothing_can_be_kept_all_is_read(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder")
    file = tmp_path / "file"
    file.write_text("1")
    for store in (None, tmp_path / "taken" / "one.json"):
        hashes = FileHashes(store)
        assert hashed(hashes, file) == [sha("1")] and hashes.read == 1


def test_small_file_takes_no_room_for_a_large_one(tmp_path: Path) -> None:
    """Asking the system for a whole block of each of many small files was what hashing them cost."""
    file = tmp_path / "small"
    file.write_bytes(b"x" * 500)
    hashes, stat = FileHashes(), file.stat()
    tracemalloc.start()
    try:
        assert hashes.of(str(file), stat) == hashlib.sha256(b"x" * 500).hexdigest()
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
