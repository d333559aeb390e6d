"""Living beside the Go tool: its slots are respected, a claim's own one is adopted, ours are shown to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.slots import go_records
from codexctl_ci.slots.claims import Claim, parse_key
from codexctl_ci.slots.go_records import GoRecord
from codexctl_ci.slots.records import SlotRecord


class HeldByGoTool(CodexctlError):
    """The Go tool gave this slot to somebody else."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Slots that others than our records hold, and the one among them that is the claim's own (0: none)."""

    taken: frozenset[int] = frozenset()
    own: int = 0


@dataclass(frozen=True, slots=True)
class GoTool:
    """The Go tool's records in the namespace of ours. ``prefix`` starts their names; empty: it was never used here."""

    store: SlotStore
    prefix: str = ""

    def records(self) -> list[GoRecord]:
        """All of the project's ConfigMaps of this shape, ours among them."""
        if not self.prefix:
            return []
        return go_records.parse_all(self.store.cluster.list("v1", "ConfigMap", self.store.namespace).items, self.prefix)

    def outside(self, claim: Claim) -> Outside:
        """What the Go tool's records mean for ``claim``."""
        repair = claim.env == "ai-repair"
        foreign = [record for record in self.records() if not record.ours]
        if repair:
            # A repair has one slot, whatever number the Go tool gave it.
            others = [record for record in foreign if record.env == claim.env and not record.belongs_to(claim)]
            return Outside(frozenset({1}) if others else frozenset())
        own = next((record.slot for record in foreign if record.belongs_to(claim)), 0)
        return Outside(frozenset(record.slot for record in foreign if record.slot != own), own)

    def show(self, record: SlotRecord) -> SlotRecord:
        """Write the ConfigMap that shows our record; the record, adopted where the Go tool had it for this claim.

        Raises HeldByGoTool where it has the slot for another one.
        """
        if not self.prefix or record.keeps_namespace:
            return record
        manifest = go_records.manifest_of(record, self.store.namespace, self.prefix)
        cluster = self.store.cluster
        ref = go_records.config_map_ref(self.store.namespace, self.prefix, record.slot)
        while True:
            try:
                cluster.create(manifest)
                return record
            except ApiError as error:
                if not error.conflict:
                    raise
            found = cluster.get(ref)
            if found is None:
                continue
            theirs = go_records.parse(found, self.prefix)
            if theirs is not None and not theirs.ours:
                if not theirs.belongs_to(parse_key(record.claim)) and not (record.pr and theirs.pr == record.pr):
                    raise HeldByGoTool(
                        "the Go tool has it for somebody else",
                        obj=f"ConfigMap/{ref.name}",
                        reason=f"owner {theirs.owner or '?'}, issue {theirs.issue}, pull request {theirs.pr}",
                        hint="clean it up there, or delete the ConfigMap if it is a leftover",
                    )
                record = self._adopt(record, theirs)
                manifest = go_records.manifest_of(record, self.store.namespace, self.prefix)
            cluster.patch(ref, {"metadata": {"labels": manifest["metadata"]["labels"]}, "data": manifest["data"]})
            return record

    def _adopt(self, record: SlotRecord, theirs: GoRecord) -> SlotRecord:
        def change(known: SlotRecord) -> SlotRecord:
            return replace(
                known,
                namespace=theirs.namespace or known.namespace,
                adopted=True,
                issue=known.issue or theirs.issue,
                pr=known.pr or theirs.pr,
            )

        return self.store.update(record.slot, change, epoch=record.epoch)

    def remove(self, record: SlotRecord) -> None:
        """Take away the ConfigMap of a slot that becomes free."""
        if not self.prefix:
            return
        if record.keeps_namespace:
            numbers = {record.issue, record.pr} - {0}
            for theirs in self.records():
                if theirs.env == record.env and numbers & {theirs.issue, theirs.pr}:
                    self._delete(theirs.slot)
            return
        ref = go_records.config_map_ref(self.store.namespace, self.prefix, record.slot)
        found = self.store.cluster.get(ref)
        theirs_or_none = go_records.parse(found, self.prefix) if found else None
        if theirs_or_none is not None and theirs_or_none.ours:
            self._delete(record.slot)

    def _delete(self, slot: int) -> None:
        self.store.cluster.delete(go_records.config_map_ref(self.store.namespace, self.prefix, slot))
