"""Expensive results kept outside the tree: built once, shared by every clone, never half there."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
        return entry
    with locked(entry.with_name(entry.name + ".lock")):
        if not entry.is_dir():
            scratch = entry.with_name(entry.name + ".partial")
            remove_tree(scratch)
            scratch.mkdir(parents=True)
            build(scratch)
            scratch.rename(entry)
    return entry


def drop_others(entries: Iterable[Path]) -> None:
    """Removes earlier versions of each entry: folders beside it whose names differ only after the last `-`."""
    for entry in entries:
        stem = entry.name.rpartition("-")[0]
        for other in entry.parent.glob(f"{stem}-????????????"):
            if other != entry:
                remove_tree(other)
                other.with_name(other.name + ".lock").unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Removes a folder if it is there, including folders that were made read-only."""

    def make_writable(_function: object, name: str, _error: object) -> None:
        Path(name).parent.chmod(0o700)
        Path(name).unlink(missing_ok=True)

    if path.exists():
        shutil.rmtree(path, onerror=make_writable)
