"""Expensive results kept outside the tree: built once, shared by every clone, never half there."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path


def cache_root() -> Path:
    """The folder for everything that outlives a clone (`$XDG_CACHE_HOME/codexctl-ci`)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "codexctl-ci"


def digest(*parts: bytes | str | Path) -> str:
    """Twelve hex digits that change when any part does; a `Path` stands for its content."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            part = part.read_bytes()
        elif isinstance(part, str):
            part = part.encode()
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:12]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the file lock at `path`; waits for whoever has it, in this process or another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure(entry: Path, build: Callable[[Path], None]) -> Path:
    """Returns the folder `entry`, having `build` fill it first where it is missing.

    `build` gets an empty folder beside it, which takes the entry's name only when `build` returned. Two
    processes that ask for the same entry build it once.
    """
    if entry.is_dir():
        os.utime(entry)
        return entry
    with locked(entry.with_name(entry.name + ".lock")):
        if not entry.is_dir():
            scratch = entry.with_name(entry.name + ".partial")
            remove_tree(scratch)
            scratch.mkdir(parents=True)
            build(scratch)
            scratch.rename(entry)
    return entry


def prune(root: Path, older_than: timedelta, keep: Collection[str | None]) -> None:
    """Removes entries that nobody has asked for in that long, but for those whose paths are in `keep`."""
    oldest = time.time() - older_than.total_seconds()
    for entry in root.glob("*/"):
        if entry.stat().st_mtime < oldest and str(entry) not in keep:
            remove_tree(entry)
            entry.with_name(entry.name + ".lock").unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Removes a folder if it is there, including folders that were made read-only."""

    def make_writable(_function: object, name: str, _error: object) -> None:
        Path(name).parent.chmod(0o700)
        Path(name).unlink(missing_ok=True)

    if path.exists():
        shutil.rmtree(path, onerror=make_writable)
