"""Many runs at once for few slots, on a real API server: who got what, in which order, with how many requests."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.lease_slot import LeaseRequest, lease_slot
from codexctl_ci.operations.slot_access import SlotScoped
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import Listing
from codexctl_ci.slots.claims import Claim, parse_key
from codexctl_ci.slots.queue import Ask
from codexctl_ci.slots.records import cleaning, freed
from codexctl_ci.stack.objects import Manifest, Ref


class Counting(SlotScoped):
    """A cluster that counts requests, but for watches and heartbeats (which are the only patches)."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, cluster, "", self._wrote)
        self.requests = 0

    def _wrote(self) -> None:
        self.requests += 1

    def patch(self, ref: Ref, merge: Manifest) -> Manifest:
        self.requests -= 1
        return super().patch(ref, merge)

    def get(self, ref: Ref) -> Manifest | None:
        self.requests += 1
        return super().get(ref)

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        self.requests += 1
        return super().list(api_version, kind, namespace, labels=labels, fields=fields)


@dataclass
class Served:
    """One claim that got its slot. ``place`` counts from 0 in the order of getting."""

    issue: int
    slot: int
    created: datetime
    requests: int
    place: int


@dataclass
class Contest:
    """``count`` claims for ``limit`` slots; each holds its slot for a moment. ``faults`` lists broken promises."""

    cluster: Cluster
    namespace: str
    project: str
    count: int
    limit: int
    seed: int
    served: list[Served] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    requests: int = 0

    def run(self, patience: timedelta = timedelta(minutes=5)) -> None:
        """Run it to its end."""
        rng = random.Random(self.seed)
        self._lock = threading.Lock()
        self._owners: dict[int, int] = {}
        self._waiting: dict[int, datetime] = {}
        delays = [rng.uniform(0, rng.choice([0.0, 0.5, 3.0])) for _ in range(self.count)]
        holds = [rng.uniform(0, 0.3) for _ in range(self.count)]
        runs = [
            threading.Thread(target=self._contend, args=(issue, delays[issue - 1], holds[issue - 1], patience))
            for issue in range(1, self.count + 1)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join(patience.total_seconds() + 60)
        if len(self.served) != self.count:
            self.faults.append(f"{len(self.served)} of {self.count} claims got a slot")

    def _contend(self, issue: int, delay: float, hold: float, patience: timedelta) -> None:
        time.sleep(delay)  # the load itself: runs arrive when they arrive
        counting = Counting(self.cluster)
        store = SlotStore(counting, self.namespace, self.project, "ai")
        ask = Ask(Claim("ai", "issue", issue), self.limit)
        request = LeaseRequest(ask, lambda slot: f"{self.project}-{slot}", holder=f"run-{issue}", patience=patience)
        try:
            record = lease_slot(store, request).record
        except Exception as error:  # noqa: BLE001 - whatever it is breaks the promise
            self.faults.append(f"issue {issue}: {type(error).__name__}: {error}")
            return
        used = counting.requests
        claim = SlotStore(self.cluster, self.namespace, self.project, "ai").view().claims[ask.claim.key]
        assert claim.created
        with self._lock:
            if record.slot in self._owners:
                self.faults.append(f"slot {record.slot} has {self._owners[record.slot]} and {issue}")
            self._owners[record.slot] = issue
            self.requests += used
            self.served.append(Served(issue, record.slot, claim.created, used, len(self.served)))
        time.sleep(hold)  # and keep a slot as long as they please
        with self._lock:
            del self._owners[record.slot]
        record = store.update(record.slot, lambda known: cleaning(known, "done"))
        store.drop_claim(parse_key(record.claim), uid=record.claim_uid)
        now = self.cluster.now()
        store.update(record.slot, lambda known: replace(freed(known, now)))

    def out_of_order(self) -> list[str]:
        """Claims that got a slot although as many as there are slots, and more, had come a whole second before."""
        found = []
        for one in self.served:
            earlier = [x for x in self.served if x.created < one.created and x.place > one.place]
            if len(earlier) >= self.limit:
                found.append(f"issue {one.issue} before {len(earlier)} earlier ones")
        return found
