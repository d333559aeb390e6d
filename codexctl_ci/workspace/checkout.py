"""A checkout on the runner: which files it consists of, and the small repository that goes with them into a slot."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path, PurePosixPath

from codexctl_ci.errors import ConfigError
from codexctl_ci.guardrails.policy import INSTRUCTIONS, matches
from codexctl_ci.process import Finished
from codexctl_ci.workspace.manifest import Entry, Manifest, digest_of, is_source

_TIMEOUT = timedelta(minutes=5)
_READERS = 8


class Checkout:
    """The files that git tracks below ``folder``, as they stand there. ``run`` starts processes (``process.run``).

    ``instructions`` is the checkout of the base branch: files that steer agents are taken from there.
    """

    def __init__(
        self,
        folder: Path,
        run: Callable[..., Finished],
        environ: Mapping[str, str],
        *,
        instructions: Path | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._run = run
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        self._env = {name: environ[name] for name in keep if name in environ} | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "core.hooksPath",
            "GIT_CONFIG_VALUE_1": os.devnull,
        }
        self._places = self._list(self.folder)
        self._overlay: frozenset[str] = frozenset()
        if instructions is not None and instructions.resolve() != self.folder:
            self._lay_over(instructions.resolve())
        self.manifest: Manifest = self._measure()

    def commit(self) -> str:
        """The commit that is checked out."""
        return self._git(self.folder, "rev-parse", "--verify", "HEAD").decode().strip()

    def place(self, path: str) -> Path:
        """Where the file's bytes are."""
        return self._places[path]

    def ignore_rules(self) -> dict[str, bytes]:
        """Every .gitignore of the checkout by its path."""
        return {
            path: place.read_bytes()
            for path, place in self._places.items()
            if PurePosixPath(path).name == ".gitignore" and place.is_file()
        }

    def archive(self, paths: Sequence[str]) -> Iterator[bytes]:
        """The files at ``paths`` and a fresh ``.git``, as one tar stream in pieces."""
        with tempfile.TemporaryDirectory() as scratch:
            self._small_repository(Path(scratch))
            yield from tar_of(self._members(paths, Path(scratch) / ".git"))

    def _members(self, paths: Sequence[str], repository: Path) -> Iterator[tuple[str, Path]]:
        for path in paths:
            yield path, self._places[path]
        for found in sorted(repository.rglob("*")):
            yield f".git/{found.relative_to(repository).as_posix()}", found

    def _small_repository(self, scratch: Path) -> None:
        """A repository of one commit, without history, remotes or credentials, whose index fits the files."""
        self._git(scratch, "init", "--quiet", "--initial-branch=work", ".")
        head = self.commit()
        url = self.folder.as_uri()
        self._git(scratch, "fetch", "--quiet", "--depth=1", "--no-tags", "--update-shallow", url, "HEAD")
        self._git(scratch, "update-ref", "refs/heads/work", head)
        self._git(scratch, "read-tree", "HEAD")
        tracked = set(self._git(scratch, "ls-files", "-z").decode("utf-8", "surrogateescape").split("\0"))
        hidden = [path for path in self._overlay if path in tracked]
        if hidden:
            self._git(scratch, "update-index", "--skip-worktree", "-z", "--stdin", stdin="\0".join(hidden).encode())
        excluded = ["/.codexctl/", *(f"/{path}" for path in self._overlay if path not in tracked)]
        (scratch / ".git" / "info").mkdir(exist_ok=True)
        (scratch / ".git" / "info" / "exclude").write_text("\n".join(excluded) + "\n")
        (scratch / ".git" / "FETCH_HEAD").unlink(missing_ok=True)

    def _lay_over(self, base: Path) -> None:
        """Take what steers agents from ``base``, and only from there."""
        theirs = {path for path in self._places if matches(path, INSTRUCTIONS)}
        ours = {path: place for path, place in self._list(base).items() if matches(path, INSTRUCTIONS)}
        for path in theirs:
            del self._places[path]
        self._places |= ours
        self._overlay = frozenset(theirs | set(ours))

    def _list(self, folder: Path) -> dict[str, Path]:
        if not folder.is_dir():
            raise ConfigError("there is no such folder", where=str(folder), hint="--source names the checkout")
        listed = self._git(folder, "ls-files", "-z", "--cached", "--full-name", ".")
        names = listed.decode("utf-8", "surrogateescape").split("\0")
        return {
            name: folder / name
            for name in names
            if name and is_source(name) and (folder / name).is_symlink() | (folder / name).is_file()
        }

    def _measure(self) -> dict[str, Entry]:
        paths = sorted(self._places)
        with ThreadPoolExecutor(_READERS) as pool:
            return dict(zip(paths, pool.map(lambda path: entry_of(self._places[path]), paths), strict=True))

    def _git(self, folder: Path, *words: str, stdin: bytes = b"") -> bytes:
        done = self._run(["git", *words], cwd=folder, env=self._env, stdin=stdin, timeout=_TIMEOUT)
        if not done.ok:
            reason = done.stderr.decode("utf-8", "replace").strip()[-500:]
            hint = "--source must be a git checkout; actions/checkout makes one"
            raise ConfigError(f"git {words[0]} failed", where=str(folder), reason=reason, hint=hint)
        return done.stdout


def entry_of(place: Path) -> Entry:
    """What stands at ``place``."""
    if place.is_symlink():
        return Entry("symlink", False, digest_of(os.fsencode(place.readlink())))
    return Entry("file", bool(place.stat().st_mode & 0o100), digest_of(place.read_bytes()))


class _Pieces(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.waiting.append(piece)
        return len(piece)


def tar_of(members: Iterator[tuple[str, Path]]) -> Iterator[bytes]:
    """A tar stream of files under their names: anybody may read and write them, owned by nobody in particular.

    The agent's user in the pod is the project's choice; what counts of the mode is whether a file is executable.
    """
    pieces = _Pieces()
    with tarfile.open(fileobj=pieces, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, place in members:
            info = archive.gettarinfo(place, name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            runs = info.isdir() or bool(info.mode & 0o100)
            info.mode = 0o777 if runs else 0o666
            if info.isreg():
                with place.open("rb") as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)
            yield from _taken(pieces)
    yield from _taken(pieces)


def _taken(pieces: _Pieces) -> list[bytes]:
    taken, pieces.waiting = pieces.waiting, []
    return taken
