"""Slot records of the Go tool: ConfigMaps ``<prefix><slot>`` whose data say who has the slot.

Ours have the same shape, so that a workflow which still runs the Go tool sees the slot taken; a label tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import MANAGED_BY, PROJECT, TOOL
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.objects import Manifest, Ref


@dataclass(frozen=True, slots=True)
class GoRecord:
    """A slot as the Go tool knows it. ``issue`` and ``pr`` are 0 where it has none; ``ours``: we wrote it."""

    slot: int
    env: str
    namespace: str
    owner: str
    issue: int
    pr: int
    created: str
    ours: bool

    def belongs_to(self, claim: Claim) -> bool:
        """Whether it is the claim's slot."""
        if self.env not in ("", claim.env):
            return False
        linked = {"issue": self.issue, "pr": self.pr, "slot": self.slot}[claim.kind]
        return bool(linked) and linked == claim.number


def config_map_ref(namespace: str, prefix: str, slot: int) -> Ref:
    return Ref("v1", "ConfigMap", f"{prefix}{slot}", namespace)


def parse(manifest: Manifest, prefix: str) -> GoRecord | None:
    """The record in a ConfigMap, None where it is none."""
    meta = manifest["metadata"]
    number = meta["name"].removeprefix(prefix)
    if not meta["name"].startswith(prefix) or not (number.isascii() and number.isdigit()):
        return None
    data = manifest.get("data") or {}
    return GoRecord(
        slot=int(number),
        env=str(data.get("env") or ""),
        namespace=str(data.get("namespace") or ""),
        owner=str(data.get("owner") or ""),
        issue=_number(data.get("issue")),
        pr=_number(data.get("pr")),
        created=str(data.get("createdAt") or ""),
        ours=(meta.get("labels") or {}).get(MANAGED_BY) == TOOL,
    )


def parse_all(manifests: Iterable[Manifest], prefix: str) -> list[GoRecord]:
    """All records among ConfigMaps, by slot."""
    found = (parse(manifest, prefix) for manifest in manifests)
    return sorted((record for record in found if record is not None), key=lambda record: record.slot)


def manifest_of(record: SlotRecord, namespace: str, prefix: str) -> Manifest:
    """The ConfigMap that shows our record to the Go tool."""
    created = (
        record.created.astimezone(UTC).replace(microsecond=0) if record.created else datetime.fromtimestamp(0, UTC)
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{prefix}{record.slot}",
            "namespace": namespace,
            "labels": {MANAGED_BY: TOOL, PROJECT: record.project},
        },
        "data": {
            "slot": str(record.slot),
            "env": record.env,
            "namespace": record.namespace,
            "owner": record.holder or record.claim,
            "issue": str(record.issue or ""),
            "pr": str(record.pr or ""),
            "createdAt": created.isoformat().replace("+00:00", "Z"),
        },
    }


def _number(value: object) -> int:
    text = str(value or "").strip().removeprefix("#")
    return int(text) if text.isascii() and text.isdigit() else 0
