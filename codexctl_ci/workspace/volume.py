"""Sources in a workspace volume, through a pod of ours: measured, written, read. Fixed scripts, paths as data.

Layout below the volume's root, for an environment's folder: ``src`` is the tree that the agent's pod mounts, ``state``
holds what we know about it and is mounted nowhere else.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from codexctl_ci.errors import ApiError, BlockedByGuardrail, CodexctlError
from codexctl_ci.guardrails.policy import allowing
from codexctl_ci.ports import ExecResult, TreeFile
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.manifest import Entry, Manifest, digest_of, from_text, is_source, to_text

MIB = 1024 * 1024
_TRIES = 4
_LONGEST_LISTING = 256 * MIB

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
_REMOVE = r"""
mkdir -p "$1/src" "$1/state" && cd "$1/src" || exit 1
tr '\n' '\0' | xargs -0 -r rm -rf --
"""
_REMOVE_REPOSITORY = 'rm -rf "$1/src/.git"'
_UNPACK = r"""
cd "$1/src" || exit 1
tar -x -f - || exit 1
chmod 0777 . && find . -path ./.git -prune -o -type d -empty -print0 | xargs -0 -r rmdir -p 2>/dev/null || true
"""
_PUT_STATE = 'mkdir -p "$1/state" && cat > "$1/state/$2.new" && mv "$1/state/$2.new" "$1/state/$2"'
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
class VolumeTree:
    """The tree of one environment below the root of ``pod``. ``folder`` is relative to that."""

    pod: Shell
    folder: PurePosixPath

    @property
    def _place(self) -> str:
        return f"{self.pod.mount}/{self.folder}"

    def measure(self) -> dict[str, Entry] | None:
        """What is in the tree; None where there is no tree yet.

        Raises BlockedByGuardrail for names and kinds of files that no repository holds.
        """
        lines = self.pod.run(_MEASURE, self._place).decode("utf-8", "surrogateescape").split("\n")
        if lines[0] != "tree":
            return None
        return _read_listing(lines[1:], str(self.pod))

    def known(self) -> dict[str, Entry]:
        """The tree as we wrote or published it last; empty where we never did."""
        data = self.pod.run(_GET_STATE, self._place, "manifest")
        if not data:
            return {}
        try:
            return from_text(gzip.decompress(data))
        except (ValueError, OSError):
            raise CodexctlError(
                "what is known about the sources cannot be read",
                obj=f"{self.folder}/state/manifest, {self.pod}",
                hint="--discard-changes starts anew from the checkout",
            ) from None

    def remember(self, manifest: Manifest) -> None:
        """Record how the tree is, beside it."""
        data = gzip.compress(to_text(manifest), mtime=0)
        self.pod.run(_PUT_STATE, self._place, "manifest", stdin=(data,))

    def note(self) -> SourceTree:
        """What stands beside the tree of an environment that has no slot's record. Its tree may always have been
        touched: a repair's agent works in staging's."""
        data = self.pod.run(_GET_STATE, self._place, "tree")
        if not data:
            return SourceTree()
        known = json.loads(data)
        return SourceTree(known["base"], known["synced"], known["published"], touched=True)

    def put_note(self, tree: SourceTree) -> None:
        """Write it."""
        data = json.dumps({"base": tree.base, "synced": tree.synced, "published": tree.published})
        self.pod.run(_PUT_STATE, self._place, "tree", stdin=(data.encode(),))

    def put_rules(self, rules: Mapping[str, bytes]) -> None:
        """Keep the base's .gitignore files beside the tree."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for path, content in sorted(rules.items()):
                info = tarfile.TarInfo(path)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        self.pod.run(_PUT_STATE, self._place, "rules", stdin=(stream.getvalue(),))

    def rules(self) -> dict[str, bytes]:
        """The base's .gitignore files."""
        data = self.pod.run(_GET_STATE, self._place, "rules")
        if not data:
            return {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = {}
            for info in archive:
                content = archive.extractfile(info)
                if content is not None:
                    found[info.name] = content.read()
            return found

    def write(self, archive: Iterable[bytes], removals: Sequence[str]) -> None:
        """Remove files and the old ``.git``, then unpack a tar stream over the tree."""
        self.pod.run(_REMOVE_REPOSITORY, self._place)
        self.change(archive, removals)

    def change(self, archive: Iterable[bytes], removals: Sequence[str]) -> None:
        """Remove files, then unpack a tar stream over the tree."""
        listed = b"".join(b"./" + _name(path) + b"\n" for path in removals)
        self.pod.run(_REMOVE, self._place, stdin=(listed,))
        self.pod.run(_UNPACK, self._place, stdin=archive)

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
        listed = b"".join(b"./" + _name(path) + b"\n" for path in paths)
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


def _name(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _read_listing(lines: Iterable[str], where: str) -> dict[str, Entry]:
    digests: dict[str, tuple[str, str]] = {}
    executable: set[str] = set()
    for line in lines:
        mark, _, rest = line.partition(" ")
        if mark == "newline":
            raise BlockedByGuardrail(f"path: {where}: a file's name holds a newline", hint="rename it in the slot")
        if mark == "f":
            digest, _, path = rest.partition("  ")
            digests[path.removeprefix("./")] = ("file", digest)
        elif mark == "l":
            digest, _, path = rest.partition(" ")
            digests[path.removeprefix("./")] = ("symlink", digest)
        elif mark == "x":
            executable.add(rest.removeprefix("./"))
        elif mark == "o":
            raise BlockedByGuardrail(
                f"path: {rest.removeprefix('./')}: neither a file nor a link", hint="remove it in the slot"
            )
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
