"""Who owns which fields of an object: reading and rewriting ``metadata.managedFields``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from codexctl_ci.stack.objects import Manifest

LEGACY_MANAGERS = frozenset({"kubectl-client-side-apply", "before-first-apply"})
"""Managers under which fields lie that ``kubectl apply`` wrote before server-side apply came."""

_NAMED = re.compile(r'conflict with "((?:[^"\\]|\\.)+)"')


def has_legacy_fields(live: Manifest) -> bool:
    """Whether fields of the object still belong to kubectl's client-side apply."""
    return any(_is_legacy(entry) for entry in _entries(live))


def taken_over(live: Manifest, manager: str) -> list[dict[str, Any]]:
    """``managedFields`` in which ``manager`` owns, by server-side apply, what kubectl's client-side apply owned.

    A server-side apply after that removes what the manifest no longer has.
    """
    entries = _entries(live)
    legacy = [entry for entry in entries if _is_legacy(entry)]
    ours = [entry for entry in entries if _is_ours(entry, manager)]
    others = [entry for entry in entries if entry not in legacy and entry not in ours]
    merged: dict[str, Any] = {}
    for entry in (*ours, *legacy):
        _merge(merged, entry.get("fieldsV1") or {})
    base = ours[0] if ours else legacy[0]
    owner = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": base.get("apiVersion", live["apiVersion"]),
        "fieldsType": "FieldsV1",
        "fieldsV1": merged,
    }
    if base.get("time"):
        owner["time"] = base["time"]
    return [owner, *others]


def applied_at(live: Manifest, manager: str) -> datetime | None:
    """When ``manager`` last changed something by server-side apply, None where it never applied the object."""
    times = [entry.get("time") for entry in _entries(live) if _is_ours(entry, manager)]
    found = [datetime.fromisoformat(time) for time in times if time]
    return max(found) if found else None


def is_applied_by(live: Manifest, manager: str) -> bool:
    """Whether ``manager`` owns fields of the object by server-side apply."""
    return any(_is_ours(entry, manager) for entry in _entries(live))


def is_made_with_kubectl(live: Manifest) -> bool:
    """Whether ``kubectl apply`` made it, of either kind: so the older tool did."""
    return has_legacy_fields(live) or is_applied_by(live, "kubectl")


def named_managers(messages: Iterable[str]) -> list[str]:
    """The managers that the messages of a conflict name, for people to read; nothing may be decided by them."""
    return list(dict.fromkeys(name for message in messages for name in _NAMED.findall(message)))


def _entries(live: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = live["metadata"].get("managedFields") or []
    return found


def _is_legacy(entry: Mapping[str, Any]) -> bool:
    return (
        entry.get("manager") in LEGACY_MANAGERS and entry.get("operation") == "Update" and not entry.get("subresource")
    )


def _is_ours(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, below in fields.items():
        _merge(into.setdefault(key, {}), below)
