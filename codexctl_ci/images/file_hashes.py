"""Hashes of files, remembered from run to run: a file whose stamp is as it was isn't read again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_VERSION = 1
_BLOCK = 1024 * 1024
_SETTLED = 2_000_000_000
"""Nanoseconds after which a change can no longer hide behind the stamp that was seen."""

_MANY = 100_000

Stamp = list[int]


class FileHashes:
    """SHA-256 of regular files. ``store`` is where they are remembered, None for nowhere.

    Only stamps with the time of the inode's change count, so that setting a file's own time back hides nothing.
    ``read`` counts the files that had to be read.
    """

    def __init__(self, store: Path | None = None, now: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._begun = now()
        self._known = _load(store) if store else {}
        self._changed = False
        self.read = 0

    def of(self, path: str, stat: os.stat_result) -> str:
        """The hash of the file at ``path``, of which ``stat`` was just taken. Raises OSError."""
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found = _hash(path, stat.st_size)
        self.read += 1
        # Written to within the clock's grain after we read it, a file would keep its stamp.
        if stat.st_ctime_ns < self._begun - _SETTLED:
            self._known[path], self._changed = (stamp, found), True
        return found

    def save(self) -> None:
        """Remember what was read since; where that can't be written, nothing is lost but time."""
        if self._store is None or not self._changed:
            return
        self._changed = False
        known = self._known
        if len(known) > _MANY:
            known = {path: each for path, each in known.items() if Path(path).exists()}
        text = json.dumps([_VERSION, known], separators=(",", ":"))
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._store.parent, delete=False) as stream:
                stream.write(text)
            Path(stream.name).replace(self._store)
        except OSError:
            return


def _load(store: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        version, known = json.loads(store.read_bytes())
        if version == _VERSION:
            return {path: (stamp, found) for path, (stamp, found) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    return {}


def _hash(path: str, size: int) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found, left = hashlib.sha256(), size
        # The read that would only say that this is the end is spared: it is a third of what a small file costs.
        # No more is asked for than there is: room for a whole block costs more than reading a small file.
        while left > 0 and (block := os.read(descriptor, min(left, _BLOCK))):
            found.update(block)
            left -= len(block)
        return found.hexdigest()
    finally:
        os.close(descriptor)
