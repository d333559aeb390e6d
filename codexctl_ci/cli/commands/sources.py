"""``ci sync-sources``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation

if TYPE_CHECKING:
    from codexctl_ci.operations.slot_lock import OperationLock
    from codexctl_ci.slots.records import SourceTree


def sync(inv: Invocation) -> None:
    """The checkout into the workspace volume of the environment, or of the claim's slot."""
    from codexctl_ci.cli.wiring import workspace
    from codexctl_ci.cli.wiring.cluster import open_cluster
    from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS, STAGING, refuse_claim
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.cli.wiring.slots import require_slot, slots_of
    from codexctl_ci.cli.wiring.staging import Repairs
    from codexctl_ci.operations.slot_access import deployer
    from codexctl_ci.operations.slot_lock import OperationLock

    settings = inv.settings
    project = open_project(inv)
    refuse_claim(inv, project.env)
    cluster = open_cluster(inv, project.environment)
    if project.env == STAGING:
        done = workspace.sync_staging(inv, project, cluster, Repairs(inv, project, cluster))
    elif project.env not in SLOT_ENVIRONMENTS:
        done = workspace.sync(inv, project, cluster)
    else:
        slots = slots_of(inv, project, cluster)
        found = require_slot(slots)
        with OperationLock(
            slots.store, found.slot, what="sync-sources", run=settings[o.RUN_ID], epoch=settings[o.EPOCH]
        ) as lock:
            done = workspace.sync(
                inv,
                slots.in_slot(found),
                deployer(cluster, found, lock.check),
                record=lock.record,
                change=tree_changer(lock),
                check=lock.check,
            )
    inv.print(f"{done.commit[:12]}: {done.written} files copied, {done.removed} removed")


def tree_changer(lock: OperationLock) -> Callable[[Callable[[SourceTree], SourceTree]], None]:
    """Changes what the locked slot's record says of its sources."""

    def change(alter: Callable[[SourceTree], SourceTree]) -> None:
        lock.update(lambda known: replace(known, tree=alter(known.tree)))

    return change
