"""Digests of files that were measured before, good for as long as nothing about a file moved.

A file counts as the same while its size, both of its times and its inode are. One that was written in the moment in
which it was measured could change once more without any of them moving: such a one is measured again next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from codexctl_ci.process import Finished
from codexctl_ci.workspace.manifest import OUTSIDE

_FILE, _GLANCE = "codexctl-digests.json", "codexctl-glance.json"
_SKIPPED = [word for name in OUTSIDE for word in ("-path", f"./{name}", "-prune", "-o")]
_FIND = ("find", ".", *_SKIPPED, "-printf", r"%y%m %s %T@ %C@ %i %l %p\0")
_TICK = 50_000_000
"""Nanoseconds within which a file's times may stand still, where the file system counts in less than seconds."""
_COARSE_TICK = 2_000_000_000


class Digests:
    """What is known in ``folder`` (an open directory, None: nowhere) of the files of one tree."""

    def __init__(self, folder: int | None) -> None:
        self._folder = folder
        self._known: dict[str, list[int | str]] = _load(folder)
        self._now: dict[str, list[int | str]] = {}
        self._measured = 0
        self.newest = 0
        self._settled_before = 0 if folder is None else _settled_before(folder)

    def of(self, path: str, info: os.stat_result, measure: Callable[[], str]) -> str:
        """The digest of the file at ``path``, which ``info`` describes; ``measure`` reads it."""
        row = self._known.get(path)
        if (
            row is not None
            and row[0] == info.st_size
            and row[1] == info.st_mtime_ns
            and row[2] == info.st_ctime_ns
            and row[3] == info.st_ino
        ):
            self._now[path] = row
            self.newest = max(self.newest, info.st_ctime_ns)
            return str(row[4])
        digest = measure()
        self._measured += 1
        self.newest = max(self.newest, info.st_ctime_ns)
        self._now[path] = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, digest]
        return digest

    def keep(self) -> None:
        """Write down what was seen since. Where that can't be, the next time is slower, no more."""
        if self._folder is None or (not self._measured and len(self._now) == len(self._known)):
            return
        with suppress(OSError):
            settled = {path: row for path, row in self._now.items() if int(row[2]) < self._settled_before}
            replace_file(self._folder, _FILE, json.dumps(settled).encode())


class Glance:
    """Whether the tree below ``root`` is as it was when it was measured last: one look at all its files' times.

    ``folder`` is an open directory for what is known, ``also`` is whatever else must be as it was. Where ``find`` can't
    tell, nothing is known.
    """

    def __init__(self, root: Path, folder: int | None, run: Callable[..., Finished], also: str = "") -> None:
        self._folder, self._look = folder, ""
        if folder is None:
            return
        self._settled_before = _settled_before(folder)
        done = run([*_FIND], cwd=root, env={"PATH": os.defpath, "LC_ALL": "C"}, timeout=timedelta(minutes=5))
        if done.ok:
            self._look = hashlib.sha256(done.stdout + also.encode()).hexdigest()

    def name(self) -> str:
        """What ``keep`` was told of this very tree, empty where it is not known."""
        if self._folder is None or not self._look:
            return ""
        try:
            known = json.loads(read_file(self._folder, _GLANCE))
        except (OSError, ValueError):
            return ""
        return str(known.get("name", "")) if known.get("look") == self._look else ""

    def keep(self, name: str, newest: int) -> None:
        """Note the tree's ``name``, measured since. ``newest`` is the latest ctime of a file in it, in ns."""
        if self._folder is not None and self._look and newest < self._settled_before:
            with suppress(OSError):
                replace_file(self._folder, _GLANCE, json.dumps({"look": self._look, "name": name}).encode())


def _settled_before(folder: int) -> int:
    """What changed last before this can't change unseen: its times would move. By the file system's clock, in ns."""
    probe = f".probe.{secrets.token_hex(4)}"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError:
        return 0
    try:
        moment = os.fstat(handle).st_ctime_ns
    finally:
        os.close(handle)
        os.unlink(probe, dir_fd=folder)
    return moment - (_TICK if moment % 1_000_000_000 else _COARSE_TICK)


def _load(folder: int | None) -> dict[str, list[int | str]]:
    if folder is None:
        return {}
    try:
        found = json.loads(read_file(folder, _FILE))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_file(folder: int, name: str) -> bytes:
    """The bytes of a plain file in an open directory; raises OSError, also for a link."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(handle, "rb", buffering=0) as file:
        return file.readall()


def replace_file(folder: int, name: str, data: bytes) -> None:
    """Put a file into an open directory, whole or not at all."""
    new = f".{name}.{secrets.token_hex(4)}"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise
