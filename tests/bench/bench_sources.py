"""Sources into a mounted workspace volume, against rsync on the same tree.

Measured is the copying itself: checkout and volume are measured, compared, written and recorded. Left out are the start
of a process, what is asked of the API, and the pod that proves the volume: rsync does nothing of the kind.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from codexctl_ci import process
from codexctl_ci.operations.sync_sources import sync_sources
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.manifest import tree_id
from codexctl_ci.workspace.mounted import MountedTree
from tests.bench.rows import Row, alternating

_FILES = 20_000
_FIRST, _AGAIN = 3, 7


def rows() -> Iterator[Row]:
    """First copies and copies without changes, in turns with rsync's."""
    with TemporaryDirectory() as scratch:
        place = _Place(Path(scratch))
        first = alternating(_FIRST, rsync=place.rsync_first, ours=place.ours_first)
        name = f"first copy of {_FILES:,} files, mounted, against rsync -a --delete"
        yield Row(name, first["ours"] / first["rsync"], 1.0, 1.5, "x")
        # The first look after a copy reads what the copy wrote in its last moment; from then on nothing is read.
        place.ours()
        again = alternating(_AGAIN, rsync=place.rsync, ours=place.ours)
        name = f"sync of {_FILES:,} files without changes, mounted, against rsync -a --delete"
        yield Row(name, again["ours"] / again["rsync"], _bare(place) / again["rsync"], 1.5, "x")


def _bare(place: _Place) -> float:
    """Looking at every file of both sides once, and no more."""

    def look() -> None:
        for folder in (place.source, place.copy):
            subprocess.run(["find", folder, "-printf", ""], check=True)

    return statistics.median(_seconds(look) for _ in range(_AGAIN))


class _Place:
    """A checkout as a team has one, and where it goes to."""

    def __init__(self, scratch: Path) -> None:
        self.source, self.copy, self.volume = scratch / "source", scratch / "copy", scratch / "volume"
        self.record = SourceTree()
        rng = random.Random(7)
        words = [f"{rng.getrandbits(40):x}" for _ in range(2000)]
        for number in range(_FILES):
            file = self.source / f"part{number % 100}" / f"piece{number // 100 % 20}" / f"file{number}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(" ".join(rng.choices(words, k=rng.choice([40, 200, 400, 800]))))
        for words_ in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["repack", "-adq"], ["prune-packed"]):
            who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
            subprocess.run(["git", *who, *words_], cwd=self.source, check=True)

    def rsync(self) -> float:
        return _seconds(
            lambda: subprocess.run(["rsync", "-a", "--delete", f"{self.source}/", f"{self.copy}/"], check=True)
        )

    def rsync_first(self) -> float:
        shutil.rmtree(self.copy, ignore_errors=True)
        return self.rsync()

    def ours(self) -> float:
        return _seconds(self._sync)

    def ours_first(self) -> float:
        shutil.rmtree(self.volume, ignore_errors=True)
        self.volume.mkdir()
        self.record = SourceTree()
        return self.ours()

    def _sync(self) -> None:
        source = Checkout(self.source, process.run, os.environ)
        target = MountedTree(self.volume, PurePosixPath("codex/envs/1"), process.run)
        sync_sources(source, target, self.record, self._change, tree_id, lambda paths: frozenset())

    def _change(self, alter: Callable[[SourceTree], SourceTree]) -> None:
        self.record = alter(self.record)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
