"""Objects for people to read: without the values of Secrets."""

from __future__ import annotations

from typing import Any

from codexctl_ci.stack.objects import Manifest

MASK = "***"
CHANGED = "*** (changed)"


def masked_pair(before: Manifest | None, after: Manifest | None) -> tuple[Manifest | None, Manifest | None]:
    """Both with the values of a Secret masked; a value that differs shows as such in the second, and no more."""
    return _masked(before, before), _masked(after, before)


def masked(manifest: Manifest) -> Manifest:
    """``manifest`` with the values of a Secret masked."""
    return _masked(manifest, manifest) or manifest


def _masked(manifest: Manifest | None, other: Manifest | None) -> Manifest | None:
    if manifest is None or manifest.get("kind") != "Secret":
        return manifest
    found = dict(manifest)
    for section in ("data", "stringData"):
        values = manifest.get(section)
        if isinstance(values, dict):
            old: Any = (other or {}).get(section)
            old = old if isinstance(old, dict) else {}
            found[section] = {
                key: CHANGED if key in old and old[key] != value else MASK for key, value in values.items()
            }
    return found
