"""The files of a build context, as a hash."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.dockerignore import Ignore

_BLOCK = 1024 * 1024


def ignore_of(context: Path, dockerfile: Path) -> Ignore:
    """The rules for this Dockerfile: ``<Dockerfile>.dockerignore`` beside it, else the context's ``.dockerignore``."""
    for file in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        if file.is_file():
            return Ignore(file.read_bytes().decode("utf-8", "surrogateescape"), str(file))
    return Ignore()


def files_of(context: Path, ignore: Ignore) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Path and entry of all that the context holds, folders before what is in them, in a stable order.

    ``.git`` is left out unless a rule takes it back: it differs from clone to clone.
    """
    if not context.is_dir():
        raise ConfigError(f"the build context {context} is no folder", hint="check `context` of the image")
    yield from _walk(context, "", ignore)


def _walk(folder: Path, prefix: str, ignore: Ignore) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = prefix + entry.name
            left_out = ignore.ignores(path) or (path == ".git" and not ignore.takes_back)
            inside = entry.is_dir(follow_symlinks=False)
            if not left_out:
                yield path, entry
            if inside and (not left_out or (ignore.takes_back and path != ".git")):
                yield from _walk(Path(entry.path), path + "/", ignore)


def hash_context(context: Path, ignore: Ignore) -> str:
    """Hash over names, kinds, executable bits and contents of what the context holds. Times and owners don't count.

    Raises ConfigError for a file that can't be read.
    """
    whole = hashlib.sha256()
    for path, entry in files_of(context, ignore):
        try:
            whole.update(_line(path, entry))
        except OSError as error:
            raise ConfigError(f"{entry.path} cannot be read", reason=error.strerror or "") from None
    return whole.hexdigest()


def _line(path: str, entry: os.DirEntry[str]) -> bytes:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        kind, content = "l", Path(entry.path).readlink().as_posix()
    elif stat.S_ISDIR(mode):
        kind, content = "d", ""
    elif stat.S_ISREG(mode):
        kind, content = "x" if mode & stat.S_IXUSR else "f", _hash_file(Path(entry.path))
    else:
        kind, content = "o", ""
    # Lengths first, so that no name can pretend to be two.
    name = os.fsencode(path)
    return b"%d:%s %s %s\n" % (len(name), name, kind.encode(), os.fsencode(content))


def _hash_file(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
