"""Commands that lease, find, list and link slots."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import ConfigError
from codexctl_ci.slots.records import SlotRecord, UnreadableSlot

if TYPE_CHECKING:
    from codexctl_ci.cli.wiring.slots import Slots
    from codexctl_ci.kube.client import Cluster
    from codexctl_ci.operations.ensure_ready import Wanted
    from codexctl_ci.operations.ensure_slot import EnsuredSlot
    from codexctl_ci.ports import ClusterApi
    from codexctl_ci.stack.project import Project

log = logging.getLogger(__name__)


def ensure_slot(inv: Invocation) -> None:
    """``ci ensure-slot``: outputs ``slot namespace env epoch``."""
    from codexctl_ci.cli.wiring.slots import open_slots

    slots = open_slots(inv)
    ensured = _ensured(slots)
    record = ensured.record
    _outputs(inv, record)
    inv.output(created=ensured.created, recreated=ensured.recreated)
    how = "recreated" if ensured.recreated else "created" if ensured.created else "found"
    inv.print(f"slot {record.slot} ({how}): namespace {record.namespace}, epoch {record.epoch}")
    inv.summary(
        f"### Slot {record.slot}\n\n{how}, namespace `{record.namespace}`, until {record.expires:%Y-%m-%d %H:%M} UTC"
    )


def _ensured(slots: Slots) -> EnsuredSlot:
    from codexctl_ci.cli.wiring.slots import lease_request
    from codexctl_ci.operations.ensure_slot import ensure_slot as ensure

    def remove(record: SlotRecord) -> None:
        # Hardly ever needed.
        from codexctl_ci.cli.wiring.slot_cleaning import remove_rendered

        remove_rendered(slots)(record)

    epoch = slots.inv.settings[o.EPOCH]
    return ensure(slots.store, lease_request(slots), go=slots.go, epoch=epoch, remove_rendered=remove)


def ensure_ready(inv: Invocation) -> None:
    """``ci ensure-ready``: outputs as in the reference; ``infra_ready`` and ``infra_unhealthy`` tell of the stack."""
    from codexctl_ci.cli.wiring.cluster import open_cluster
    from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS, STAGING, refuse_claim
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.cli.wiring.ready import ReadySteps
    from codexctl_ci.cli.wiring.staging import Repairs
    from codexctl_ci.operations.ensure_ready import ensure_ready as ready
    from codexctl_ci.slots.records import Prepared

    project = open_project(inv)
    refuse_claim(inv, project.env)
    cluster = open_cluster(inv, project.environment)
    if project.env in SLOT_ENVIRONMENTS:
        _ensure_ready_in_slot(inv, project, cluster)
        return
    inv.output(slot=0, namespace=project.namespace, env=project.env, created=False, recreated=False)
    with ExitStack() as stack:
        steps = ReadySteps(inv, project, cluster, cluster)
        if project.env == STAGING:
            steps.repairs = Repairs(inv, project, cluster)
            stack.enter_context(steps.repairs.waited_for("ensure-ready of staging"))
        done = ready(steps, _wanted(inv), Prepared(), lambda alter: alter(Prepared()))
        _tell_readiness(inv, project, cluster, done.ready, new=False)


def _ensure_ready_in_slot(inv: Invocation, project: Project, server: Cluster) -> None:
    from codexctl_ci.cli.commands.sources import tree_changer
    from codexctl_ci.cli.wiring.ready import ReadySteps
    from codexctl_ci.cli.wiring.slots import slots_of
    from codexctl_ci.operations.ensure_ready import ensure_ready as ready
    from codexctl_ci.operations.slot_access import deployer
    from codexctl_ci.operations.slot_lock import OperationLock

    settings = inv.settings
    slots = slots_of(inv, project, server)
    ensured = _ensured(slots)
    record = ensured.record
    _outputs(inv, record)
    # What an earlier job of this run created is new to this one too, until its stack stands there.
    new = ensured.created or ensured.recreated or not record.prepared.stack
    inv.output(created=ensured.created or not record.prepared.infra, recreated=ensured.recreated)
    inv.print(f"slot {record.slot}: {record.namespace}, epoch {record.epoch}")
    if _own_agent_runs(record, settings[o.RUN_ID], server):
        # A job that lost its runner is run again from the start: the next one joins the agent, nobody deploys under it.
        log.info("the agent of this very run is at work in slot %d: it goes on undisturbed", record.slot)
        healthy = record.prepared.healthy
        _tell_readiness(inv, slots.in_slot(record), deployer(server, record), healthy, new=False)
        return
    with OperationLock(
        slots.store, record.slot, what="ensure-ready", run=settings[o.RUN_ID], epoch=record.epoch
    ) as lock:
        project = slots.in_slot(lock.record)
        cluster = deployer(server, lock.record, lock.check)
        steps = ReadySteps(inv, project, cluster, server, lock.record, tree_changer(lock), check=lock.check)
        done = ready(
            steps,
            _wanted(inv),
            lock.record.prepared,
            lambda alter: lock.update(lambda known: replace(known, prepared=alter(known.prepared))).prepared,
        )
        _tell_readiness(inv, project, cluster, done.ready, new=new)


def _own_agent_runs(record: SlotRecord, run_id: str, cluster: ClusterApi) -> bool:
    from codexctl_ci.operations.run_agent import run_key

    agent = record.agent
    own = run_key(record.epoch, run_id)
    return bool(run_id) and agent is not None and agent.key == own and record.agent_running(cluster.now())


def _wanted(inv: Invocation) -> Wanted:
    from codexctl_ci.operations.ensure_ready import Wanted

    settings = inv.settings
    return Wanted(
        sources=bool(settings[o.SOURCE]),
        images=settings[o.PREPARE_IMAGES],
        apply=settings[o.APPLY] or settings[o.FORCE_APPLY],
    )


def _tell_readiness(inv: Invocation, project: Project, cluster: ClusterApi, ready: bool | None, *, new: bool) -> None:
    from codexctl_ci.cli.wiring.ready import agents_place_is_there, run_arguments

    inv.output(
        infra_ready=ready is True,
        infra_unhealthy=ready is False,
        codexctl_env_ready=agents_place_is_there(cluster, project.namespace),
        codexctl_new_env=new,
        codexctl_run_args=run_arguments(project),
    )


def list_slots(inv: Invocation) -> None:
    """``manage-env list``: slots and waiting claims as a table or as JSON."""
    from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS
    from codexctl_ci.cli.wiring.slots import open_slots, slots_of
    from codexctl_ci.slots.table import HEADINGS, format_table, rows

    slots = open_slots(inv)
    found: list[tuple[str, ...]] = []
    records: list[dict[str, object]] = []
    unreadable: list[UnreadableSlot] = []
    environments = [slots.store.env] if inv.settings[o.ENVIRONMENT] else SLOT_ENVIRONMENTS
    leases, _ = slots.store.leases()
    for env in environments:
        view = slots_of(inv, slots.project, slots.cluster, env=env).store.view_of(leases)
        found += [(env, *row) for row in rows(view, slots.cluster.now())]
        records += [_as_json(record) for _, record in sorted(view.slots.items())]
        unreadable += view.unreadable.values()
    if inv.settings[o.OUTPUT] == "json":
        records += [_unreadable_as_json(slot) for slot in unreadable]
        inv.print(json.dumps({"slots": records}, indent=2))
    else:
        inv.print(format_table(found, ("ENV", *HEADINGS)) if found else "no slot is in use")
    for slot in unreadable:
        raise slot.error


def set_slot(inv: Invocation) -> None:
    """``manage-env set``: link a pull request to its issue's slot, so that both find it."""
    from codexctl_ci.cli.wiring.slots import open_slots
    from codexctl_ci.operations.link_pull import link_pull
    from codexctl_ci.slots.claims import Claim, claim_for

    slots = open_slots(inv)
    settings, env = inv.settings, slots.store.env
    pr = settings[o.PR]
    if not pr:
        raise ConfigError("which pull request?", hint="give --pr or CODEXCTL_PR_NUMBER")
    owner = claim_for(env, issue=settings[o.ISSUE], branch=settings[o.BRANCH], slot=settings[o.SLOT])
    record = link_pull(slots.store, owner or Claim(env, "pr", pr), pr, epoch=settings[o.EPOCH])
    slots.go.show(record)
    _outputs(inv, record)
    inv.print(f"slot {record.slot} is linked to pull request #{pr}")


def _outputs(inv: Invocation, record: SlotRecord) -> None:
    inv.output(slot=record.slot, namespace=record.namespace, env=record.env, epoch=record.epoch)


def _as_json(record: SlotRecord) -> dict[str, object]:
    from codexctl_ci.slots.leases import slot_body

    return {"env": record.env, "slot": record.slot, "epoch": record.epoch, **slot_body(record)}


def _unreadable_as_json(slot: UnreadableSlot) -> dict[str, object]:
    return {"env": slot.env, "slot": slot.slot, "state": "unreadable", "reason": str(slot.error)}
