"""Slots of a project of the test's own on a real API server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.cleanup import CleanupRequest, clean_slot
from codexctl_ci.operations.ensure_slot import EnsuredSlot, ensure_slot
from codexctl_ci.operations.go_tool import GoTool
from codexctl_ci.operations.lease_feed import LeaseFeed
from codexctl_ci.operations.lease_slot import LeaseRequest
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import claim_from_lease, claim_name
from codexctl_ci.slots.queue import Ask
from codexctl_ci.slots.records import ClaimRecord, SlotRecord
from codexctl_ci.stack.objects import Manifest, Ref

PREFIX = "codex-env-"


@dataclass
class SlotScene:
    """A namespace for records, and what runs do with them. ``cluster`` is the administrator's."""

    cluster: Cluster
    namespace: str
    project: str
    env: str = "ai"
    limit: int = 3
    touched: set[str] = field(default_factory=set)

    def store(self, cluster: ClusterApi | None = None) -> SlotStore:
        return SlotStore(cluster or self.cluster, self.namespace, self.project, self.env)

    def go(self, cluster: ClusterApi | None = None) -> GoTool:
        return GoTool(self.store(cluster), PREFIX)

    def namespace_of(self, slot: int) -> str:
        name = f"{self.project}-dev-{slot}"
        self.touched.add(name)
        return name

    def request(
        self,
        issue: int = 0,
        *,
        pr: int = 0,
        wanted: int = 0,
        limit: int | None = None,
        patience: timedelta = timedelta(seconds=30),
    ) -> LeaseRequest:
        claim = Claim(self.env, "issue", issue) if issue else Claim(self.env, "pr", pr)
        ask = Ask(claim, self.limit if limit is None else limit, wanted)
        return LeaseRequest(ask, self.namespace_of, holder=f"run-{issue or pr}", patience=patience)

    def ensure(self, issue: int = 0, *, cluster: ClusterApi | None = None, epoch: int = 0, **more: Any) -> EnsuredSlot:
        request = self.request(issue, **more)
        return ensure_slot(self.store(cluster), request, go=self.go(cluster), epoch=epoch)

    def wait_for_claims(self, *issues: int) -> dict[int, ClaimRecord]:
        """The claims of these issues, once all of them stand in the queue."""
        feed = LeaseFeed(self.cluster, self.namespace, self.project)
        wanted = {claim_name(self.project, Claim(self.env, "issue", issue)): issue for issue in issues}
        try:
            while not wanted.keys() <= feed.objects.keys():
                assert feed.take(60), f"no claim comes any more: {sorted(feed.objects)} of {sorted(wanted)}"
            return {issue: claim_from_lease(feed.objects[name]) for name, issue in wanted.items()}
        finally:
            feed.close()

    def clean(self, slot: int, *, cluster: ClusterApi | None = None, **more: object) -> SlotRecord:
        record = self.store().read(slot)
        assert record is not None
        request = CleanupRequest("test", **more)  # type: ignore[arg-type]
        return clean_slot(self.store(cluster), record, request, go=self.go(cluster))

    def namespace_object(self, name: str) -> Manifest | None:
        return self.cluster.get(Ref("v1", "Namespace", name))

    def records(self) -> dict[int, SlotRecord]:
        return dict(self.store().view().slots)

    def go_config_map(self, slot: int, **data: str) -> None:
        """A record as the Go tool writes it."""
        meta = {"name": f"{PREFIX}{slot}", "namespace": self.namespace}
        content = {"slot": str(slot), "env": "ai", "owner": "go", "createdAt": "2026-01-01T00:00:00Z", **data}
        self.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": content})

    def strange_namespaces(self) -> set[str]:
        """Namespaces of this project that no leased slot has."""
        labels = f"codexctl.io/project={self.project}"
        there = {item["metadata"]["name"] for item in self.cluster.list("v1", "Namespace", labels=labels).items}
        going = {
            item["metadata"]["name"]
            for item in self.cluster.list("v1", "Namespace", labels=labels).items
            if item["metadata"].get("deletionTimestamp")
        }
        return there - going - {record.namespace for record in self.records().values() if not record.free}

    def end(self) -> None:
        for name in [*self.touched, self.namespace]:
            self.cluster.delete(Ref("v1", "Namespace", name))
