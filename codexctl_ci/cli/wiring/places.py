"""Where a command works: the project, the cluster, and in a slot its lock and its own identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.cluster import open_cluster
from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS, STAGING, refuse_claim
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.project import Project

if TYPE_CHECKING:
    from codexctl_ci.kube.client import Cluster


@dataclass(frozen=True)
class Place:
    """``cluster`` is the identity to work with (a slot's deployer), ``server`` the client that was opened."""

    project: Project
    cluster: ClusterApi
    server: Cluster


@contextmanager
def opened(inv: Invocation, what: str, *, writes: bool) -> Iterator[Place]:
    """The place that the settings mean. In a slot it is locked for ``what`` while a command that ``writes`` works.

    Raises ConfigError where a slot is meant and none is named or leased, or the environment has none; SlotMoved
    where the slot has moved on, SlotBusy where another command doesn't end in time.
    """
    project = open_project(inv)
    refuse_claim(inv, project.env)
    server = open_cluster(inv, project.environment)
    with ExitStack() as stack:
        if project.env in SLOT_ENVIRONMENTS:
            yield _in_slot(inv, project, server, what if writes else "", stack)
            return
        if writes and project.env == STAGING:
            from codexctl_ci.cli.wiring.staging import Repairs

            stack.enter_context(Repairs(inv, project, server).waited_for(what))
        yield Place(project, server, server)


def _in_slot(inv: Invocation, project: Project, server: Cluster, what: str, stack: ExitStack) -> Place:
    # Whoever works outside of slots need not wait for all that knows of them.
    from codexctl_ci.cli.wiring.slots import claim_of, require_slot, slots_of
    from codexctl_ci.operations.slot_access import deployer
    from codexctl_ci.operations.slot_lock import OperationLock

    if inv.settings[o.NAMESPACE] and claim_of(inv, project.env) is None:
        # Somebody names the namespace and no slot: a cluster of their own, without leases.
        return Place(project, server, server)
    slots = slots_of(inv, project, server)
    record = require_slot(slots)
    if what:
        run, epoch = inv.settings[o.RUN_ID], inv.settings[o.EPOCH]
        lock = stack.enter_context(OperationLock(slots.store, record.slot, what=what, run=run, epoch=epoch))
        return Place(slots.in_slot(record), deployer(server, lock.record, lock.check), server)
    return Place(slots.in_slot(record), deployer(server, record), server)
