"""Sources in a workspace volume that the runner has mounted itself: measured and written without a pod.

What is in the tree may be anybody's by now, so it is entered folder by folder and no link is ever followed. A file
appears under its name whole or not at all: it is written beside the tree first.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codexctl_ci.errors import BlockedByGuardrail, CodexctlError
from codexctl_ci.process import Finished
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.digests import Digests, Glance, read_file, replace_file
from codexctl_ci.workspace.manifest import NO_SOURCE, OUTSIDE, Entry, digest_of, tree_id
from codexctl_ci.workspace.tree_state import TreeState

log = logging.getLogger(__name__)

_PROOF = {True: ("the slot's volume", "copying straight"), False: ("not the slot's volume", "copying through a pod")}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_INCOMING = "incoming"
_PIECE = 1024 * 1024


class MountFault(CodexctlError):
    """The mount does not let us do our work. Nothing is lost: a pod can."""


@dataclass(frozen=True)
class MountedTree(TreeState):
    """The tree in ``folder`` below ``mount``.

    ``run`` starts processes (``process.run``). ``check`` is called before each write and may refuse it.
    """

    mount: Path
    folder: PurePosixPath
    run: Callable[..., Finished]
    check: Callable[[], None] = lambda: None

    def __str__(self) -> str:
        return f"{self.mount / self.folder}/src"

    def measure(self) -> dict[str, Entry] | None:
        """What is in the tree; None where there is no tree yet.

        Raises BlockedByGuardrail for names and kinds of files that no repository holds.
        """
        with self._opened("state", make=True) as state, self._opened("src", missing_ok=True) as root:
            if root is None:
                return None
            glance, digests = self._glance(state), Digests(state)
            found: dict[str, Entry] = {}
            self._walk(root, "", found, digests)
            digests.keep()
            glance.keep(tree_id(found), digests.newest)
            return found

    def glance(self) -> str:
        """The id of what is in the tree, where that can be told without measuring it; else empty."""
        with self._opened("state", make=True) as state, self._opened("src", missing_ok=True) as root:
            return "" if root is None else self._glance(state).name()

    def _glance(self, state: int | None) -> Glance:
        return Glance(self.mount / self.folder / "src", state, self.run)

    def write(self, source: Checkout, paths: Sequence[str], removals: Sequence[str]) -> None:
        """Remove files and the old ``.git``, then copy the files at ``paths`` and the source's repository."""
        with (
            self._opened("state", make=True) as state,
            self._opened("src", make=True) as root,
            source.members(paths) as members,
        ):
            assert state is not None and root is not None
            with suppress(PermissionError):
                os.chmod(root, 0o777)
            self.check()
            if ".git" in os.listdir(root):
                shutil.rmtree(".git", dir_fd=root)
            for path in removals:
                self.check()
                _remove(root, path)
            with suppress(FileNotFoundError):
                os.unlink(_INCOMING, dir_fd=state)
            folders = _Folders(root)
            try:
                for name, place in members:
                    self.check()
                    _place(state, folders, name, place)
            finally:
                folders.close()

    def takes_word(self, name: str, word: str) -> bool:
        """Whether the file ``name`` beside the tree holds ``word``, and can be removed by us."""
        with self._opened("state") as state:
            assert state is not None
            if read_file(state, name) != word.encode():
                return False
            os.unlink(name, dir_fd=state)
            return True

    def _walk(self, folder: int, prefix: str, found: dict[str, Entry], digests: Digests) -> None:
        with os.scandir(folder) as listing:
            entries = list(listing)
        for entry in entries:
            name = entry.name
            if not prefix and name in OUTSIDE:
                continue
            path = prefix + name
            if "\n" in name:
                raise BlockedByGuardrail("a file's name holds a newline", obj=str(self), hint=NO_SOURCE)
            info = entry.stat(follow_symlinks=False)
            mode = info.st_mode
            if stat.S_ISREG(mode):
                digest = digests.of(path, info, lambda name=name: digest_of(read_file(folder, name)))  # type: ignore[misc]
                found[path] = Entry("file", bool(mode & 0o100), digest)
            elif stat.S_ISDIR(mode):
                inner = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    self._walk(inner, path + "/", found, digests)
                finally:
                    os.close(inner)
            elif stat.S_ISLNK(mode):
                found[path] = Entry("symlink", False, digest_of(os.fsencode(os.readlink(name, dir_fd=folder))))
            else:
                raise BlockedByGuardrail(f"{path} is neither a file nor a link", obj=str(self), hint=NO_SOURCE)

    def _get(self, name: str) -> bytes:
        with self._opened("state", missing_ok=True) as state:
            try:
                return read_file(state, name) if state is not None else b""
            except FileNotFoundError:
                return b""

    def _put(self, name: str, data: bytes) -> None:
        with self._opened("state", make=True) as state:
            assert state is not None
            self.check()
            replace_file(state, name, data)

    @contextmanager
    def _opened(self, last: str, *, make: bool = False, missing_ok: bool = False) -> Iterator[int | None]:
        """The tree's own folder ``last``, open. What the system refuses, there and in the body, is a MountFault."""
        with ExitStack() as handles:
            try:
                here: int | None = _kept(handles, os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                for part in (*self.folder.parts, last):
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(part, dir_fd=here)
                    try:
                        here = _kept(handles, os.open(part, _FOLDER, dir_fd=here))
                    except FileNotFoundError:
                        if not missing_ok:
                            raise
                        here = None
                        break
                yield here
            except OSError as error:
                raise MountFault(
                    "the mounted workspace volume refuses",
                    obj=str(self),
                    reason=f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
                ) from error


def _kept(handles: ExitStack, handle: int) -> int:
    handles.callback(os.close, handle)
    return handle


def is_same_volume(tree: MountedTree, show: Callable[[str], str]) -> bool:
    """Whether the runner's mount is the very volume in which ``show`` leaves a word, and lets us write.

    ``show`` writes the word from the other side, and tells the name of the file beside the tree.
    """
    if not tree.mount.is_dir():
        return False
    word = secrets.token_hex(16)
    try:
        same = tree.takes_word(show(word), word)
    except MountFault as fault:
        log.debug("%s", fault)
        same = False
    log.info("sources: %s is %s, %s", tree.mount, *_PROOF[same])
    return same


class _Folders:
    """Folders below a root, made where they are missing, the one used last kept open with those above it."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: list[tuple[str, int]] = []

    def enter(self, parts: Sequence[str]) -> int:
        """The folder ``parts`` lead to, open. Raises OSError where one of them is a link or a file."""
        same = 0
        while same < min(len(parts), len(self._open)) and self._open[same][0] == parts[same]:
            same += 1
        self.close(same)
        for part in parts[same:]:
            here = self._open[-1][1] if self._open else self._root
            try:
                os.mkdir(part, dir_fd=here)
                made = True
            except FileExistsError:
                made = False
            inner = os.open(part, _FOLDER, dir_fd=here)
            self._open.append((part, inner))
            if made:
                os.chmod(inner, 0o777)
        return self._open[-1][1] if self._open else self._root

    def close(self, keep: int = 0) -> None:
        while len(self._open) > keep:
            os.close(self._open.pop()[1])


def _place(state: int, folders: _Folders, name: str, place: Path) -> None:
    """Put what is at ``place`` under ``name``: anybody may read and write it, as in ``checkout.tar_of``."""
    *parents, last = name.split("/")
    info = os.lstat(place)
    if stat.S_ISDIR(info.st_mode):
        folders.enter([*parents, last])
        return
    target = folders.enter(parents)
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(place), _INCOMING, dir_fd=state)
    else:
        _copy(place, state, 0o777 if info.st_mode & 0o100 else 0o666)
    try:
        os.rename(_INCOMING, last, src_dir_fd=state, dst_dir_fd=target)
    except IsADirectoryError:
        # Its files were among the removals; what is left are empty folders.
        _remove_empty(target, last)
        os.rename(_INCOMING, last, src_dir_fd=state, dst_dir_fd=target)


def _copy(place: Path, state: int, mode: int) -> None:
    handle = os.open(_INCOMING, _NEW, mode, dir_fd=state)
    try:
        source = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while piece := os.read(source, _PIECE):
                left = memoryview(piece)
                while left:
                    left = left[os.write(handle, left) :]
        finally:
            os.close(source)
        os.chmod(handle, mode)
    finally:
        os.close(handle)


def _remove(root: int, path: str) -> None:
    """Remove a file, and the folders that are empty then."""
    *parents, last = path.split("/")
    chain = [os.dup(root)]
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            for part in parents:
                chain.append(os.open(part, _FOLDER, dir_fd=chain[-1]))
            os.unlink(last, dir_fd=chain[-1])
        with suppress(OSError):
            while len(chain) > 1:
                os.close(chain.pop())
                os.rmdir(parents[len(chain) - 1], dir_fd=chain[-1])
    finally:
        for handle in chain:
            os.close(handle)


def _remove_empty(parent: int, name: str) -> None:
    here = os.open(name, _FOLDER, dir_fd=parent)
    try:
        for inner in os.listdir(here):
            _remove_empty(here, inner)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=parent)
