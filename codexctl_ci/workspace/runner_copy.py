"""The slot's sources on the runner, for an agent that works there: brought from the volume and, changed, back to it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from codexctl_ci import process
from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.ports import ExecResult, TreeFile
from codexctl_ci.workspace.manifest import difference
from codexctl_ci.workspace.volume import MIB, VolumeTree

_TIMEOUT = timedelta(minutes=10)
_LARGEST = 512 * MIB
# $1: the agent's folder, $2: the archive. It is unpacked as the agent, who can write nothing else.
_REPLACE = 'cd "$1" && rm -rf src && mkdir src && tar -x --no-same-owner -f "$2" -C src'


@dataclass(frozen=True)
class LocalShell:
    """This machine, as the agent's user: ``mount`` is the folder below which trees lie."""

    mount: str
    env: Mapping[str, str]
    user: tuple[int, int] | None = None

    def run(self, script: str, *words: str, stdin: Iterable[bytes] = ()) -> bytes:
        """What the script printed."""
        done = self._run(["sh", "-c", script, "codexctl", *words], b"".join(stdin))
        if done.code != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit code {done.code}"
            raise ApiError("a script in the agent's folder failed", status=500, obj=str(self), reason=reason)
        return done.stdout

    def stream(self, script: str, word: str, stdin: bytes, on_stdout: Callable[[bytes], None]) -> ExecResult:
        """The end of a script."""
        done = self._run(["sh", "-c", script, "codexctl", word], stdin)
        on_stdout(done.stdout)
        return ExecResult(done.code, b"", done.stderr)

    def _run(self, argv: list[str], stdin: bytes) -> process.Finished:
        words = process.as_user(argv, self.user)
        return process.run(words, env=self.env, cwd=Path(self.mount), stdin=stdin, timeout=_TIMEOUT)

    def __str__(self) -> str:
        return f"{self.mount} on the runner"


@dataclass(frozen=True)
class RunnerCopy:
    """The agent's working copy ``src`` in ``home``, of which ``local`` is the tree.

    ``slot`` opens the tree in the volume; ``ignored`` tells which new paths the base's rules leave out of it.
    """

    home: Path
    shell: LocalShell
    local: VolumeTree
    slot: Callable[[], AbstractContextManager[VolumeTree]]
    ignored: Callable[[tuple[str, ...], VolumeTree], frozenset[str]]

    def fetch(self) -> None:
        """Make the copy what the slot holds. One with work that never came into the slot stays as it is."""
        if self._owes.exists():
            return
        with tempfile.TemporaryDirectory(prefix="codexctl-sources-") as folder:
            archive = Path(folder) / "sources.tar"
            with self.slot() as tree, archive.open("wb") as stream:
                tree.pack(lambda piece: _put(stream, piece))
            if self.shell.user is not None:
                for place in (Path(folder), archive):
                    os.chown(place, *self.shell.user)
            self.shell.run(_REPLACE, str(self.home), str(archive))
        self._owes.touch()

    def hand_over(self) -> None:
        """Make the slot what the copy holds. Raises, and keeps the copy, where that cannot be."""
        now = self.local.measure() or {}
        with self.slot() as tree:
            there = tree.measure() or {}
            change = difference(there, now)
            left_out = self.ignored(change.added, tree)
            paths = [path for path in (*change.added, *change.changed) if path not in left_out]
            self._require_small(paths)
            files = self.local.read(paths, max_bytes=_LARGEST)
            if len(files) != len(paths):
                raise CodexctlError("what the agent changed cannot be read", obj=str(self.home))
            # What stands in the way of a file goes first: it may be a folder in the slot.
            tree.change((_tar(files),), [*change.removed, *paths])
        self.forget()

    def forget(self) -> None:
        """The copy holds nothing that anybody needs."""
        self._owes.unlink(missing_ok=True)

    @property
    def _owes(self) -> Path:
        # Beside the agent's folder, where it cannot reach it.
        return self.home.with_name(f"{self.home.name}.owes")

    def _require_small(self, paths: Iterable[str]) -> None:
        size = sum((self.home / "src" / path).lstat().st_size for path in paths)
        if size > _LARGEST:
            raise CodexctlError(
                f"the agent changed files of {size // MIB} MiB, and {_LARGEST // MIB} MiB are the limit",
                obj=str(self.home),
                hint="remove there what is not meant to stay, or list it in .gitignore",
            )


def _put(stream: io.BufferedWriter, piece: bytes) -> None:
    stream.write(piece)


def _tar(files: Iterable[TreeFile]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.mode = 0o777 if file.executable else 0o666
            if file.kind == "symlink":
                info.type, info.linkname = tarfile.SYMTYPE, file.content.decode("utf-8", "surrogateescape")
                archive.addfile(info)
            else:
                info.size = len(file.content)
                archive.addfile(info, io.BytesIO(file.content))
    return stream.getvalue()
