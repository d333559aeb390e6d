"""The files of a build context, and their hash."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.dockerignore import Ignore
from codexctl_ci.images.file_hashes import FileHashes

# A clone's history differs from clone to clone: it would build anew what is the same.
_FIRST = ".git\n"


def ignore_of(context: Path, dockerfile: Path) -> Ignore:
    """The rules for this Dockerfile: ``<Dockerfile>.dockerignore`` beside it, else the context's ``.dockerignore``.

    ``.git`` is left out before them; a rule may take it back.
    """
    for file in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        if file.is_file():
            text = file.read_bytes().decode("utf-8", "surrogateescape")
            return Ignore(_FIRST + text.removeprefix("\ufeff"), str(file))
    return Ignore(_FIRST)


def files_of(context: Path, ignore: Ignore) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Path and entry of all that the context holds, folders before what is in them, in a stable order."""
    yield from _walk(context, "", ignore)


def _walk(folder: Path, prefix: str, ignore: Ignore) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = prefix + entry.name
            left_out = ignore.ignores(path)
            if not left_out:
                yield path, entry
            if (ignore.takes_back or not left_out) and entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), path + "/", ignore)


def describe_context(context: Path, ignore: Ignore, hashes: FileHashes) -> dict[str, str]:
    """For each path in the context its kind, its permissions and its content's hash. Times and owners don't count.

    Raises ConfigError for a file that can't be read.
    """
    found = {}
    for path, entry in files_of(context, ignore):
        try:
            found[path] = _describe(entry, hashes)
        except OSError as error:
            raise ConfigError(f"{entry.path} cannot be read", reason=error.strerror or "") from None
    return found


def hash_of(files: Mapping[str, str]) -> str:
    """One hash for what ``describe_context`` found."""
    whole = hashlib.sha256()
    for path, description in files.items():
        # Lengths first, so that no name can pretend to be two.
        name, text = os.fsencode(path), os.fsencode(description)
        whole.update(b"%d:%s %d:%s\n" % (len(name), name, len(text), text))
    return whole.hexdigest()


def _describe(entry: os.DirEntry[str], hashes: FileHashes) -> str:
    found = entry.stat(follow_symlinks=False)
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        # A link's own permissions mean nothing.
        return f"l {Path(entry.path).readlink()}"
    bits = stat.S_IMODE(mode)
    if stat.S_ISREG(mode):
        return f"f {bits:o} {hashes.of(entry.path, found)}"
    return f"{'d' if stat.S_ISDIR(mode) else 'o'} {bits:o}"
