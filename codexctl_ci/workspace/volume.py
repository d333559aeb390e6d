"""Sources in a workspace volume, through a pod of ours: measured, written, read. Fixed scripts, paths as data.

Layout below the volume's root, for an environment's folder: ``src`` is the tree that the agent's pod mounts, ``state``
holds what we know about it and is mounted nowhere else.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from codexctl_ci.errors import ApiError, BlockedByGuardrail, CodexctlError
from codexctl_ci.guardrails.policy import allowing
from codexctl_ci.ports import ExecResult, TreeFile
from codexctl_ci.workspace.checkout import Checkout, tar_of
from codexctl_ci.workspace.manifest import NO_SOURCE, Entry, digest_of, is_source
from codexctl_ci.workspace.tree_state import TreeState

MIB = 1024 * 1024
_TRIES = 4

# Our own files and git's are left out; a name with a newline would fit no line of the answer, so it is told apart.
_MEASURE = r"""
cd "$1/src" 2>/dev/null || { echo absent; exit 0; }
echo tree
nl='
'
skip='-path ./.git -o -path ./.codexctl -o -path ./.codexctl-ci'
find . \( $skip \) -prune -o -name "*$nl*" -print | head -n 1 | grep -q . && { echo newline; exit 0; }
find . \( $skip \) -prune -o -type f -print0 | xargs -0 -r sha256sum | sed 's/^/f /'
find . \( $skip \) -prune -o -type f -perm -100 -print | sed 's/^/x /'
find . \( $skip \) -prune -o -type l -print | while IFS= read -r link; do
  printf 'l %s %s\n' "$(readlink -n "$link" | sha256sum | cut -c1-64)" "$link"
done
find . \( $skip \) -prune -o ! -type f ! -type l ! -type d -print | sed 's/^/o /'
"""
_DISCARD_ODD = r"""
cd "$1/src" 2>/dev/null || exit 0
nl='
'
skip='-path ./.git -o -path ./.codexctl -o -path ./.codexctl-ci'
find . \( $skip \) -prune -o \( -name "*$nl*" -o ! -type f ! -type l ! -type d \) -print0 | xargs -0 -r rm -rf --
"""
_REMOVE = r"""
mkdir -p "$1/src" "$1/state" && cd "$1/src" || exit 1
tr '\n' '\0' | xargs -0 -r rm -rf --
"""
# Of a folder where a file or a link must go nothing but empty folders is left by now.
_MAKE_WAY = r"""
cd "$1/src" && rm -rf .git || exit 1
while IFS= read -r path; do
  [ ! -d "$path" ] || [ -L "$path" ] || rm -rf "$path" || exit 1
done
"""
_UNPACK = r"""
cd "$1/src" || exit 1
tar -x -f - || exit 1
chmod 0777 . && find . -path ./.git -prune -o -type d -empty -print0 | xargs -0 -r rmdir -p 2>/dev/null || true
"""
_PUT_STATE = 'mkdir -p "$1/state" && cat > "$1/state/$2.new" && mv "$1/state/$2.new" "$1/state/$2"'
_SHOW_WORD = r"""
mkdir -p "$1/src" "$1/state" && rm -f "$1/state"/word-* || exit 1
chmod 0777 "$1/src"
case "$3" in 0:*) ;; *) chown -R "$3" "$1/state" 2>/dev/null ;; esac
cat > "$1/state/$2"
"""
_FIRST = 'ls -A "$1/src" 2>/dev/null | head -n 1'
_GET_STATE = 'cat "$1/state/$2" 2>/dev/null || true'
# More names than fit one command line become several archives, one behind the other.
_PACK_ALL = r"""
cd "$1/src" && ls -A | grep -vx .codexctl | sed 's|^|./|' | tr '\n' '\0' | xargs -0 -r tar -c -f -
"""
_PACK = r"""
cd "$1/src" && tr '\n' '\0' | xargs -0 -r tar -c -f -
"""


class Shell(Protocol):
    """Where a tree lies and fixed scripts run: our pod with the volume, or the runner. ``mount``: its root."""

    @property
    def mount(self) -> str: ...

    def run(self, script: str, *words: str, stdin: Iterable[bytes] = ()) -> bytes:
        """What the script printed. A failure is an ApiError."""

    def stream(self, script: str, word: str, stdin: bytes, on_stdout: Callable[[bytes], None]) -> ExecResult:
        """The end of a script whose output ``on_stdout`` takes; contact that is lost is an ApiError."""


@dataclass(frozen=True)
class VolumeTree(TreeState):
    """The tree of one environment below the root of ``pod``. ``folder`` is relative to that."""

    pod: Shell
    folder: PurePosixPath

    @property
    def _place(self) -> str:
        return f"{self.pod.mount}/{self.folder}"

    def __str__(self) -> str:
        return f"{self.folder}/src, {self.pod}"

    def measure(self) -> dict[str, Entry] | None:
        """What is in the tree; None where there is no tree yet.

        Raises BlockedByGuardrail for names and kinds of files that no repository holds.
        """
        lines = self.pod.run(_MEASURE, self._place).decode("utf-8", "surrogateescape").split("\n")
        if lines[0] != "tree":
            return None
        return _read_listing(lines[1:], str(self.pod))

    def glance(self) -> str:
        """Nothing can be told without measuring."""
        return ""

    def _get(self, name: str) -> bytes:
        return self.pod.run(_GET_STATE, self._place, name)

    def _put(self, name: str, data: bytes) -> None:
        self.pod.run(_PUT_STATE, self._place, name, stdin=(data,))

    def discard_odd(self) -> None:
        """Remove the names and kinds of files that ``measure`` refuses."""
        self.pod.run(_DISCARD_ODD, self._place)

    def write(self, source: Checkout, paths: Sequence[str], removals: Sequence[str]) -> None:
        """Remove files and the old ``.git``, then unpack the files at ``paths`` and the source's repository."""
        self.pod.run(_REMOVE, self._place, stdin=(_listed(removals),))
        self.pod.run(_MAKE_WAY, self._place, stdin=(_listed(paths),))
        with source.members(paths) as members:
            self.pod.run(_UNPACK, self._place, stdin=tar_of(members))

    def change(self, archive: Iterable[bytes], removals: Sequence[str]) -> None:
        """Remove files, then unpack a tar stream over the tree."""
        self.pod.run(_REMOVE, self._place, stdin=(_listed(removals),))
        self.pod.run(_UNPACK, self._place, stdin=archive)

    def is_empty(self) -> bool:
        """Whether nothing is there that anybody could have worked in."""
        return not self.pod.run(_FIRST, self._place)

    def show_word(self, word: str) -> str:
        """Leave ``word`` beside the tree for a runner that may have the volume mounted; the name of its file.

        What is beside the tree is the runner's from then on, if the runner isn't root.
        """
        name = f"word-{secrets.token_hex(8)}"
        self.pod.run(_SHOW_WORD, self._place, name, f"{os.getuid()}:{os.getgid()}", stdin=(word.encode(),))
        return name

    def pack(self, on_piece: Callable[[bytes], None]) -> None:
        """The whole tree with its ``.git`` as one tar stream, in pieces."""
        done = self.pod.stream(_PACK_ALL, self._place, b"", on_piece)
        if done.code != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise CodexctlError("the sources cannot be read", obj=str(self.pod), reason=reason)

    def read(self, paths: Sequence[str], *, max_bytes: int) -> tuple[TreeFile, ...]:
        """The files at ``paths``, links as links. Raises BlockedByGuardrail where they are larger than allowed."""
        if not paths:
            return ()
        listed = _listed(paths)
        for attempt in range(1, _TRIES + 1):
            sink = _Bounded(max_bytes + MIB + 4096 * len(paths))
            try:
                done = self.pod.stream(_PACK, self._place, listed, sink.take)
                break
            except ApiError as error:
                if not error.passing or attempt == _TRIES:
                    raise
        if sink.full:
            raise BlockedByGuardrail(
                f"size: (all files): the changed files are larger than {max_bytes} bytes",
                hint=allowing("maxTotalSize"),
            )
        if done.code != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise CodexctlError("the changed files cannot be read", obj=str(self.pod), reason=reason)
        return tuple(_files_of(bytes(sink.data), frozenset(paths)))


class _Bounded:
    """Takes pieces up to a limit and forgets the rest."""

    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self.full = False
        self._limit = limit

    def take(self, piece: bytes) -> None:
        if len(self.data) + len(piece) > self._limit:
            self.full = True
            self.data.clear()
        elif not self.full:
            self.data += piece


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(b"./" + path.encode("utf-8", "surrogateescape") + b"\n" for path in paths)


def _read_listing(lines: Iterable[str], where: str) -> dict[str, Entry]:
    digests: dict[str, tuple[str, str]] = {}
    executable: set[str] = set()
    for line in lines:
        mark, _, rest = line.partition(" ")
        if mark == "newline":
            raise BlockedByGuardrail(f"path: {where}: a file's name holds a newline", hint=NO_SOURCE)
        if mark == "f":
            digest, _, path = rest.partition("  ")
            digests[path.removeprefix("./")] = ("file", digest)
        elif mark == "l":
            digest, _, path = rest.partition(" ")
            digests[path.removeprefix("./")] = ("symlink", digest)
        elif mark == "x":
            executable.add(rest.removeprefix("./"))
        elif mark == "o":
            raise BlockedByGuardrail(f"path: {rest.removeprefix('./')}: neither a file nor a link", hint=NO_SOURCE)
    return {
        path: Entry(kind, path in executable and kind == "file", digest)
        for path, (kind, digest) in digests.items()
        if is_source(path)
    }


def _files_of(data: bytes, wanted: frozenset[str]) -> Iterator[TreeFile]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r", ignore_zeros=True) as archive:
        for info in archive:
            path = info.name.removeprefix("./")
            if path not in wanted:
                continue
            if info.issym():
                yield TreeFile(path, "symlink", False, info.linkname.encode("utf-8", "surrogateescape"))
            elif info.isreg():
                content = archive.extractfile(info)
                assert content is not None
                yield TreeFile(path, "file", bool(info.mode & 0o100), content.read())
            elif info.islnk():
                raise BlockedByGuardrail(f"path: {path}: a hard link", hint="make it a file of its own in the slot")


def same(file: TreeFile, entry: Entry) -> bool:
    """Whether the file read is the one that was measured."""
    return (file.kind, file.executable, digest_of(file.content)) == (entry.kind, entry.executable, entry.digest)
