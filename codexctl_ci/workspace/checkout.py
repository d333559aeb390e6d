"""A checkout on the runner: which files it consists of, and the small repository that goes with them into a slot."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from codexctl_ci.errors import ConfigError
from codexctl_ci.guardrails.policy import INSTRUCTIONS, matches
from codexctl_ci.process import Finished
from codexctl_ci.workspace.digests import Digests, Glance
from codexctl_ci.workspace.manifest import Entry, Manifest, digest_of, is_source, tree_id

_TIMEOUT = timedelta(minutes=5)


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
        base = instructions.resolve() if instructions is not None else self.folder
        self._base = base if base != self.folder else None
        self._overlay: frozenset[str] = frozenset()
        if not self.folder.is_dir():
            raise ConfigError("there is no such folder", where=str(folder), hint="--source names the checkout")

    @cached_property
    def manifest(self) -> Manifest:
        """Every file by its path."""
        return {path: entry for path, (_, entry) in sorted(self._files.items())}

    @cached_property
    def _files(self) -> dict[str, tuple[Path, Entry]]:
        found = self._list(self.folder)
        if self._base is not None:
            self._lay_over(found, self._base)
        return found

    def glance(self) -> str:
        """The id of the manifest, where that can be told without measuring the files; else empty."""
        if self._base is not None:
            return ""
        with _own_notes(self.folder) as notes:
            return self._glance(self.folder, notes).name()

    def _glance(self, folder: Path, notes: int | None) -> Glance:
        # What git tracks is part of it: that changes without any file's doing so.
        index = os.stat("index", dir_fd=notes) if notes is not None and "index" in os.listdir(notes) else None
        also = f"{index.st_size} {index.st_mtime_ns} {index.st_ctime_ns} {index.st_ino}" if index else ""
        return Glance(folder, notes, self._run, also)

    def commit(self) -> str:
        """The commit that is checked out."""
        return self._git(self.folder, "rev-parse", "--verify", "HEAD").decode().strip()

    def ignore_rules(self) -> dict[str, bytes]:
        """Every .gitignore of the checkout by its path."""
        return {
            path: place.read_bytes()
            for path, (place, entry) in self._files.items()
            if path.rpartition("/")[2] == ".gitignore" and entry.kind == "file"
        }

    @contextmanager
    def members(self, paths: Sequence[str]) -> Iterator[Iterator[tuple[str, Path]]]:
        """The files at ``paths`` and a fresh ``.git``, each as its name and where it lies, for the body of a ``with``.

        The repository is made while the files are taken; folders come before what is in them.
        """
        with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(1) as pool:
            making = pool.submit(self._small_repository, Path(scratch))
            yield self._members(paths, making)

    def _members(self, paths: Sequence[str], making: Future[Path]) -> Iterator[tuple[str, Path]]:
        for path in paths:
            yield path, self._files[path][0]
        repository = making.result()
        for found in sorted(repository.rglob("*")):
            yield f".git/{found.relative_to(repository).as_posix()}", found

    def _small_repository(self, scratch: Path) -> Path:
        """A repository of one commit, without history, remotes or credentials, whose index fits the files."""
        self._git(scratch, "init", "--quiet", "--initial-branch=work", ".")
        head = self.commit()
        # What `fetch --depth=1` does, but for unpacking and checking what we packed ourselves a moment before.
        objects = scratch / ".git" / "objects"
        theirs = self._git(self.folder, "rev-parse", "--git-path", "objects").decode().rstrip("\n")
        borrowed = objects / "info" / "alternates"
        borrowed.parent.mkdir(exist_ok=True)
        borrowed.write_text(f"{(self.folder / theirs).resolve()}\n")
        commits = f"--shallow {head}\n{head}\n".encode()
        pack = str(objects / "pack" / "pack")
        self._git(scratch, "pack-objects", "--quiet", "--revs", "--window=0", pack, stdin=commits)
        borrowed.unlink()
        (scratch / ".git" / "shallow").write_text(f"{head}\n")
        self._git(scratch, "update-ref", "refs/heads/work", head)
        self._git(scratch, "read-tree", "HEAD")
        tracked = set(self._git(scratch, "ls-files", "-z").decode("utf-8", "surrogateescape").split("\0"))
        hidden = [path for path in self._overlay if path in tracked]
        if hidden:
            self._git(scratch, "update-index", "--skip-worktree", "-z", "--stdin", stdin="\0".join(hidden).encode())
        excluded = ["/.codexctl/", *(f"/{path}" for path in self._overlay if path not in tracked)]
        (scratch / ".git" / "info").mkdir(exist_ok=True)
        (scratch / ".git" / "info" / "exclude").write_text("\n".join(excluded) + "\n")
        return scratch / ".git"

    def _lay_over(self, files: dict[str, tuple[Path, Entry]], base: Path) -> None:
        """Take what steers agents from ``base``, and only from there."""
        theirs = {path for path in files if matches(path, INSTRUCTIONS)}
        ours = {path: file for path, file in self._list(base).items() if matches(path, INSTRUCTIONS)}
        for path in theirs:
            del files[path]
        files |= ours
        self._overlay = frozenset(theirs | set(ours))

    def _list(self, folder: Path) -> dict[str, tuple[Path, Entry]]:
        if not folder.is_dir():
            raise ConfigError("there is no such folder", where=str(folder), hint="--source names the checkout")
        listed = self._git(folder, "ls-files", "-z", "--cached", "--full-name", ".")
        names = listed.decode("utf-8", "surrogateescape").split("\0")
        for name in names:
            if "\n" in name:
                raise ConfigError("a file's name holds a newline", where=repr(name), hint="rename it in the repository")
        with _own_notes(folder) as notes:
            glance, digests = self._glance(folder, notes), Digests(notes)
            found = {}
            for name in names:
                entry = _entry_of(folder, name, digests) if name and is_source(name) else None
                if entry is not None:
                    found[name] = (folder / name, entry)
            digests.keep()
            glance.keep(tree_id({path: entry for path, (_, entry) in found.items()}), digests.newest)
        return found

    def _git(self, folder: Path, *words: str, stdin: bytes = b"") -> bytes:
        done = self._run(["git", *words], cwd=folder, env=self._env, stdin=stdin, timeout=_TIMEOUT)
        if not done.ok:
            reason = done.stderr.decode("utf-8", "replace").strip()[-500:]
            hint = "--source must be a git checkout; actions/checkout makes one"
            raise ConfigError(f"git {words[0]} failed", where=str(folder), reason=reason, hint=hint)
        return done.stdout


def _entry_of(folder: Path, name: str, digests: Digests) -> Entry | None:
    """What stands there; None for a submodule, and for what is tracked and gone."""
    place = f"{folder}/{name}"
    try:
        info = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(info.st_mode):
        return Entry("symlink", False, digest_of(os.fsencode(os.readlink(place))))
    if not stat.S_ISREG(info.st_mode):
        return None
    return Entry(
        "file", bool(info.st_mode & 0o100), digests.of(name, info, lambda: digest_of(Path(place).read_bytes()))
    )


@contextmanager
def _own_notes(folder: Path) -> Iterator[int | None]:
    """The checkout's repository, open, where digests can be kept; None where there is no such folder."""
    try:
        handle = os.open(folder / ".git", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


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
