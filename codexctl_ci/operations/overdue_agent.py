"""An agent whose deadline is over and whose runner is gone: nobody else would end it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.slots.records import SlotRecord, SlotState
from codexctl_ci.stack.objects import Ref

log = logging.getLogger(__name__)

_DEPLOYMENT = "codex"
MARGIN = timedelta(minutes=5)
"""How long after the deadline the run's own runner has the first word."""


def is_overdue(record: SlotRecord, store: SlotStore) -> bool:
    """Whether the slot's agent should have ended, and nobody noted that it did."""
    agent = record.agent
    if record.state is not SlotState.LEASED or agent is None or agent.ended:
        return False
    return store.cluster.now() > agent.deadline + MARGIN


def end_overdue_agent(store: SlotStore, record: SlotRecord) -> SlotRecord:
    """End the agent by deleting its pods, which takes every process of it along, and note it; the record then.

    What it left in the tree stays unpublished work. The Deployment makes a new pod.
    """
    cluster = deployer(store.cluster, record)
    deployment = cluster.get(Ref("apps/v1", "Deployment", _DEPLOYMENT, record.namespace))
    labels = ((deployment or {}).get("spec", {}).get("selector") or {}).get("matchLabels") or {}
    if labels:
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        for pod in cluster.list("v1", "Pod", record.namespace, labels=selector).items:
            meta = pod["metadata"]
            cluster.delete(Ref("v1", "Pod", meta["name"], record.namespace), uid=meta["uid"])
            log.warning("Pod/%s in %s: ended, its agent was over its time", meta["name"], record.namespace)
    seen = record.agent

    def note(known: SlotRecord) -> SlotRecord:
        if known.agent is None or known.agent != seen:
            return known
        return replace(known, agent=replace(known.agent, ended=True))

    return store.update(record.slot, note, epoch=record.epoch)
