"""Where a command works: the project, the cluster, and in a slot its lock and its own identity."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.cluster import open_cluster
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.project import Project

if TYPE_CHECKING:
    from codexctl_ci.kube.client import Cluster
    from codexctl_ci.operations.slot_lock import OperationLock

log = logging.getLogger(__name__)

_SLOT_ENVIRONMENTS = ("ai", "ai-repair")
_SHARED_WITH_REPAIRS = "ai-staging"


@dataclass(frozen=True)
class Place:
    """``cluster`` is the identity to work with (a slot's deployer), ``server`` the client that was opened."""

    project: Project
    cluster: ClusterApi
    server: Cluster


@contextmanager
def opened(inv: Invocation, what: str, *, writes: bool) -> Iterator[Place]:
    """The place that the settings mean. In a slot it is locked for ``what`` while a command that ``writes`` works.

    Raises ConfigError where an environment with slots is meant and no slot is named or leased, SlotMoved where the
    slot has moved on, SlotBusy where another command doesn't end in time.
    """
    project = open_project(inv)
    environment = project.environment
    server = open_cluster(inv, kubeconfig=environment.kubeconfig or "", context=environment.context or "")
    with ExitStack() as stack:
        if project.env in _SLOT_ENVIRONMENTS:
            yield _in_slot(inv, project, server, what if writes else "", stack)
            return
        if writes and project.env == _SHARED_WITH_REPAIRS:
            _beside_repairs(inv, project, server, what, stack)
        yield Place(project, server, server)


def _in_slot(inv: Invocation, project: Project, server: Cluster, what: str, stack: ExitStack) -> Place:
    from codexctl_ci.cli.wiring.slots import claim_of, require_slot, slots_of
    from codexctl_ci.operations.slot_access import deployer

    if inv.settings[o.NAMESPACE] and claim_of(inv, project.env) is None:
        # Somebody names the namespace and no slot: a cluster of their own, without leases.
        return Place(project, server, server)
    slots = slots_of(inv, project, server)
    record = require_slot(slots)
    if what:
        lock = stack.enter_context(_lock(inv, slots.store, record.slot, what, inv.settings[o.EPOCH]))
        return Place(slots.in_slot(record), deployer(server, lock.record, lock.check), server)
    return Place(slots.in_slot(record), deployer(server, record), server)


def _beside_repairs(inv: Invocation, project: Project, server: Cluster, what: str, stack: ExitStack) -> None:
    """A repair and a deploy of staging meet in one namespace: wait for the repair, but not for ever."""
    from codexctl_ci.cli.wiring.slots import slots_of
    from codexctl_ci.errors import ApiError
    from codexctl_ci.operations.slot_lock import SlotBusy

    store = slots_of(inv, project, server, env="ai-repair").store
    try:
        record = store.read(1)
    except ApiError as error:
        if error.status != 403:
            raise
        log.debug("repairs can't be seen with this identity: %s", error.reason)
        return
    if record is None or not record.claim:
        return
    try:
        stack.enter_context(_lock(inv, store, record.slot, what, 0))
    except SlotBusy as error:
        log.warning("a repair is still at work in %s; deploying all the same (%s)", project.namespace, error)


def _lock(inv: Invocation, store: object, slot: int, what: str, epoch: int) -> OperationLock:
    from codexctl_ci.operations.slot_lock import OperationLock
    from codexctl_ci.operations.slot_store import SlotStore

    assert isinstance(store, SlotStore)
    return OperationLock(store, slot, what=what, run=inv.settings[o.RUN_ID], epoch=epoch)
