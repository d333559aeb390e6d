"""``ci sync-sources``."""

from __future__ import annotations

import logging
from dataclasses import replace

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation

log = logging.getLogger(__name__)


def sync(inv: Invocation) -> None:
    """The checkout into the workspace volume of the environment, or of the claim's slot."""
    from codexctl_ci.cli.wiring import workspace
    from codexctl_ci.cli.wiring.cluster import open_cluster
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.errors import SlotMoved
    from codexctl_ci.operations.slot_access import deployer
    from codexctl_ci.operations.slot_lock import OperationLock
    from codexctl_ci.operations.slot_store import SlotStore
    from codexctl_ci.slots.claims import claim_for

    settings = inv.settings
    project = open_project(inv)
    cluster = open_cluster(
        inv, kubeconfig=project.environment.kubeconfig or "", context=project.environment.context or ""
    )
    if project.env not in ("ai", "ai-repair"):
        done = workspace.sync(inv, project, cluster)
    else:
        namespace = project.spec.state.configmap_namespace or project.namespace_for("ai-staging", 0)
        store = SlotStore(cluster, namespace, project.name, project.env)
        claim = claim_for(project.env, issue=settings[o.ISSUE], pr=settings[o.PR], slot=settings[o.SLOT])
        found = store.read(settings[o.SLOT]) if settings[o.SLOT] else store.find(claim) if claim else None
        if found is None:
            raise SlotMoved("there is no slot to copy sources into", hint="run `ci ensure-slot` first")
        run = settings[o.RUN_ID]
        with OperationLock(store, found.slot, what="sync-sources", run=run, epoch=settings[o.EPOCH]) as lock:
            project = open_project(inv, env=found.env, slot=found.slot, namespace=found.namespace)
            done = workspace.sync(
                inv,
                project,
                deployer(cluster, found),
                record=lock.record,
                change=lambda alter: void(lock.update(lambda known: replace(known, tree=alter(known.tree)))),
            )
    inv.print(f"{done.commit[:12]}: {done.written} files copied, {done.removed} removed")


def void(_value: object) -> None:
    """Nothing: for callables whose result nobody wants."""
