"""Looking for files in a project that isn't ours yet, and adding new ones to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from codexctl_ci.errors import ConfigError

_SKIPPED = frozenset({"node_modules", "vendor", "venv", "__pycache__"})
_DEEPEST = 4
_LARGEST = 256 * 1024


def texts(root: Path, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The files below ``root`` whose relative path is ``wanted``, at most four folders down, hidden ones left out.

    Files that are large or no UTF-8 are left out, and so are symlinks.
    """
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        deep = len(here.parts) >= _DEEPEST
        folders[:] = [] if deep else sorted(n for n in folders if not n.startswith(".") and n not in _SKIPPED)
        for name in sorted(files):
            path = (here / name).as_posix()
            place = Path(folder) / name
            if wanted(path) and not place.is_symlink() and place.stat().st_size <= _LARGEST:
                try:
                    found[path] = place.read_text("utf-8")
                except (UnicodeDecodeError, OSError):
                    continue
    return found


def add(root: Path, files: Mapping[str, str], *, dry_run: bool = False) -> dict[str, bool]:
    """Write each of ``files`` (relative path to text) that isn't there. For each path: whether it was, or would be,
    written. What is there, of whatever kind, stays as it is. Raises ConfigError where a file can't be written."""
    written: dict[str, bool] = {}
    root = root.resolve()
    for path, text in files.items():
        place = root / path
        if not place.parent.resolve().is_relative_to(root):
            raise ConfigError("leads out of the project's folder", where=path, hint=f"it is {root}")
        written[path] = not os.path.lexists(place)
        if dry_run or not written[path]:
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            written[path] = False
        except OSError as error:
            raise ConfigError("cannot be written", where=path, reason=error.strerror or str(error)) from None
    return written
