"""What we applied into an environment: one ConfigMap in its namespace, written only when something changes.

Before new objects are made their names are noted, without a UID; afterwards the UID is. So a run that was killed in
between leaves nothing behind that nobody knows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.environments import REPAIR, STAGING
from codexctl_ci.stack.objects import Manifest, Ref

_SCHEMA = "1"
_KEY = "objects"
_COMPONENT = "app.kubernetes.io/component=inventory"
_NEVER = "9999-12-31T23:59:59+00:00"
Key = tuple[str, str, str, str]
"""Group, kind, namespace, name: what stays the same when an object moves to a newer version of its API."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of ours. ``uid`` is empty between the intent, noted at ``since`` (RFC 3339), and the deed.

    ``digest`` is that of the manifest which the server accepted last; ``layer`` is its place in the order.
    One that is ``found`` was there before, made by others. It is noted as an intent that nothing can fulfil,
    which every version of ours spares.
    """

    ref: Ref
    uid: str = ""
    digest: str = ""
    layer: int = 0
    since: str = ""

    @classmethod
    def of_found(cls, ref: Ref) -> Entry:
        """The entry of an object that others made."""
        return cls(ref, since=_NEVER)

    @property
    def found(self) -> bool:
        """Whether others made the object."""
        return self.since == _NEVER and not self.uid

    @property
    def key(self) -> Key:
        return key_of(self.ref)


def key_of(ref: Ref) -> Key:
    """What names the object in every version of its API."""
    return (ref.group, ref.kind, ref.namespace, ref.name)


@dataclass(frozen=True)
class Inventory:
    """All entries of an environment, and the ConfigMap they were read from (None: there is none yet)."""

    name: str
    namespace: str
    entries: dict[Key, Entry]
    stored: Manifest | None = None

    def digest(self, ref: Ref) -> str:
        """The digest of the manifest last accepted for ``ref``, empty where there is none."""
        found = self.entries.get(key_of(ref))
        return found.digest if found is not None and found.uid else ""


def inventory_name(environment: str) -> str:
    """The name of the ConfigMap of an environment."""
    return "codexctl-inventory-" + (re.sub(r"[^a-z0-9-]+", "-", environment.lower()).strip("-") or "default")


def read_inventory(cluster: ClusterApi, namespace: str, environment: str) -> Inventory:
    """What was applied before; empty where nothing was. Raises CodexctlError for one of a newer version of ours."""
    name = inventory_name(environment)
    stored = cluster.get(Ref("v1", "ConfigMap", name, namespace))
    return Inventory(name, namespace, _entries(stored) if stored is not None else {}, stored)


def held_elsewhere(cluster: ClusterApi, inventory: Inventory) -> dict[Key, str]:
    """What other inventories of the namespace hold, each with the name of its inventory.

    Who may not list ConfigMaps sees those of the environments that share a namespace by default.
    """
    try:
        found = cluster.list("v1", "ConfigMap", inventory.namespace, labels=_COMPONENT).items
    except ApiError as error:
        if error.status != 403:
            raise
        names = [inventory_name(environment) for environment in (STAGING, REPAIR)]
        read = [cluster.get(Ref("v1", "ConfigMap", name, inventory.namespace)) for name in names]
        found = [stored for stored in read if stored is not None]
    others = [stored for stored in found if stored["metadata"]["name"] != inventory.name]
    return {key: stored["metadata"]["name"] for stored in others for key in _entries(stored)}


def note_intent(
    cluster: ClusterApi, inventory: Inventory, refs: Iterable[Ref], now: datetime, found: Collection[Ref] = ()
) -> Inventory:
    """Note the names of objects that are about to be made, and of those that others made (``found``); writes only where
    there is a new one."""
    since = now.isoformat(timespec="seconds")
    new = {key_of(ref): Entry(ref, since=since) for ref in refs if key_of(ref) not in inventory.entries}
    new |= {key_of(ref): Entry.of_found(ref) for ref in found}
    new = {key: entry for key, entry in new.items() if entry != inventory.entries.get(key)}
    return _write(cluster, inventory, inventory.entries | new) if new else inventory


def record(
    cluster: ClusterApi, inventory: Inventory, applied: Iterable[Entry], gone: Collection[Key] = ()
) -> Inventory:
    """Note what was applied and what is gone; writes only where that is news."""
    entries = inventory.entries | {entry.key: entry for entry in applied}
    entries = {key: entry for key, entry in entries.items() if key not in gone}
    return _write(cluster, inventory, entries) if entries != inventory.entries else inventory


def forget(cluster: ClusterApi, inventory: Inventory) -> None:
    """Delete the inventory, as after a destroy that left nothing."""
    if inventory.stored is not None:
        cluster.delete(Ref("v1", "ConfigMap", inventory.name, inventory.namespace))


def digest_of(manifest: Manifest) -> str:
    """A digest of the manifest as rendered. Of a Secret only the shape counts: its values must not be guessable."""
    seen: Any = manifest
    if manifest["kind"] == "Secret":
        seen = {
            key: sorted(value) if key in ("data", "stringData") and isinstance(value, dict) else value
            for key, value in manifest.items()
        }
    return hashlib.sha256(json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _write(cluster: ClusterApi, inventory: Inventory, entries: dict[Key, Entry]) -> Inventory:
    for _ in range(5):
        manifest = _manifest(inventory, entries)
        try:
            stored = cluster.replace(manifest) if inventory.stored is not None else cluster.create(manifest)
            return replace(inventory, entries=entries, stored=stored)
        except ApiError as error:
            if not error.conflict and error.status != 404:
                raise
        # Somebody else wrote: their entries stay, ours win where both know an object.
        environment = inventory.name.removeprefix("codexctl-inventory-")
        current = read_inventory(cluster, inventory.namespace, environment)
        gone = inventory.entries.keys() - entries.keys()
        entries = {key: entry for key, entry in (current.entries | entries).items() if key not in gone}
        inventory = current
    raise CodexctlError(
        "others keep writing it", obj=f"ConfigMap/{inventory.name} in {inventory.namespace}", hint="run again"
    )


def _manifest(inventory: Inventory, entries: dict[Key, Entry]) -> Manifest:
    rows = [
        [e.ref.api_version, e.ref.kind, e.ref.namespace, e.ref.name, e.uid, e.digest, e.layer, e.since]
        for e in sorted(entries.values(), key=lambda entry: entry.key)
    ]
    text = "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"
    meta: dict[str, Any] = {
        "name": inventory.name,
        "namespace": inventory.namespace,
        "labels": {"app.kubernetes.io/managed-by": "codexctl-ci", "app.kubernetes.io/component": "inventory"},
    }
    if inventory.stored is not None:
        meta["resourceVersion"] = inventory.stored["metadata"]["resourceVersion"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"schema": _SCHEMA, _KEY: text}}


def _entries(stored: Manifest) -> dict[Key, Entry]:
    data, meta = stored.get("data") or {}, stored["metadata"]
    if data.get("schema", _SCHEMA) != _SCHEMA:
        raise CodexctlError(
            "was written by a newer version",
            obj=f"ConfigMap/{meta['name']} in {meta['namespace']}",
            hint="update codexctl-ci",
        )
    return {entry.key: entry for entry in map(_entry, json.loads(data.get(_KEY) or "[]"))}


def _entry(row: list[Any]) -> Entry:
    api_version, kind, namespace, name, uid, digest, layer, since = row
    return Entry(Ref(api_version, kind, name, namespace), uid, digest, int(layer), since)
