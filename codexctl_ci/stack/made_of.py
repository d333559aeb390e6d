"""What an image was made from, small enough for one of its labels; and what of that has changed since."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence

KEY_LABEL = "io.codexctl.content-key"
PARTS_LABEL = "io.codexctl.made-of"
REVISION_LABEL = "org.opencontainers.image.revision"

SECRET = "secret"
"""In place of a hash: that it changed can't be told from the label."""

_DEPTHS = (0, 5, 4, 3, 2, 1)
_LARGEST = 12_000
_LARGEST_UNPACKED = 4 * 1024 * 1024
_FILE = "file "


def pack(parts: Mapping[str, str]) -> str:
    """``parts`` (what it is, ``file a/b``, ``argument NAME``, and a hash of it) as text for a label.

    Where the files are too many, folders stand for what is in them.
    """
    for depth in _DEPTHS:
        document = json.dumps([depth, _folded(parts, depth)], sort_keys=True, separators=(",", ":"))
        text = base64.urlsafe_b64encode(zlib.compress(document.encode("utf-8", "surrogateescape"), 9))
        if len(text) <= _LARGEST:
            # Without the padding: a sign of equality inside a value confuses who splits at one.
            return text.decode().rstrip("=")
    return ""


def changes(label: str, now: Mapping[str, str]) -> list[str]:
    """What differs between the parts in ``label`` and ``now``, in words; empty where the label can't be read."""
    found = _unpacked(label)
    if found is None:
        return []
    depth, before = found
    after = _folded(now, depth)
    said = []
    for name in sorted(before.keys() | after.keys(), key=_by_kind):
        old, new, shown = before.get(name), after.get(name), name.removeprefix(_FILE)
        if old is None:
            said.append(f"{shown} is new")
        elif new is None:
            said.append(f"{shown} is gone")
        elif old != new:
            moved = name.startswith("base ")
            said.append(f"{shown} moved from {old} to {new}" if moved else f"{shown} changed")
    return said


def summary(said: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    more = len(said) - most
    return ", ".join(said[:most]) + (f" and {more} more" if more > 0 else "")


def _by_kind(name: str) -> tuple[bool, str]:
    return name.startswith(_FILE), name


def _folded(parts: Mapping[str, str], depth: int) -> dict[str, str]:
    if not depth:
        return dict(parts)
    found: dict[str, str] = {}
    inside: dict[str, list[str]] = {}
    for name, value in sorted(parts.items()):
        pieces = name.removeprefix(_FILE).split("/")
        if name.startswith(_FILE) and len(pieces) > depth:
            inside.setdefault(_FILE + "/".join(pieces[:depth]) + "/", []).append(f"{name} {value}")
        else:
            found[name] = value
    for name, lines in inside.items():
        found[name] = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return found


def _unpacked(label: str) -> tuple[int, dict[str, str]] | None:
    try:
        raw = base64.urlsafe_b64decode(label + "=" * (-len(label) % 4))
        text = zlib.decompressobj().decompress(raw, _LARGEST_UNPACKED)
        depth, parts = json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, TypeError, zlib.error):
        return None
    if depth not in _DEPTHS or not isinstance(parts, dict):
        return None
    return depth, {str(name): str(value) for name, value in parts.items()}
