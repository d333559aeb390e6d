"""Slots from a command's settings: where records are, whose slot is meant."""

from __future__ import annotations

from dataclasses import dataclass

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.wiring.cluster import open_cluster
from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.go_tool import GoTool
from codexctl_ci.operations.lease_slot import LeaseRequest
from codexctl_ci.operations.slot_store import SlotStore, check_epoch
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.claims import Claim, claim_for
from codexctl_ci.slots.queue import Ask
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project


@dataclass(frozen=True)
class Slots:
    """A project's slots, opened for one command."""

    inv: Invocation
    project: Project
    cluster: ClusterApi
    store: SlotStore
    go: GoTool

    def namespace_of(self, slot: int) -> str:
        """The namespace of a slot that has no record yet."""
        override: str = self.inv.settings[o.NAMESPACE]
        return override or self.project.namespace_for(self.store.env, slot)

    def in_slot(self, record: SlotRecord) -> Project:
        """The project as it is in this slot."""
        return open_project(self.inv, env=record.env, slot=record.slot, namespace=record.namespace)


def open_slots(inv: Invocation, *, env: str = "") -> Slots:
    """The slots of ``env``, or of the command's own environment. Raises ConfigError where it has none."""
    project = open_project(inv, env=env or None)
    if project.env not in SLOT_ENVIRONMENTS:
        raise ConfigError(
            f"environment {project.env!r} has no slots", hint=f"slots are in {', '.join(SLOT_ENVIRONMENTS)}; give --env"
        )
    cluster = open_cluster(inv, project.environment)
    return slots_of(inv, project, cluster)


def slots_of(inv: Invocation, project: Project, cluster: ClusterApi, *, env: str = "") -> Slots:
    """The same for a project and a cluster that are open already; ``env`` names another environment with slots."""
    state = project.spec.state
    namespace = state.configmap_namespace or project.namespace_for("ai-staging", 0)
    store = SlotStore(cluster, namespace, project.name, env or project.env)
    # `lease` says that the Go tool never worked here: nothing is asked of its records then.
    prefix = "" if state.backend.lower() == "lease" else state.configmap_prefix
    return Slots(inv, project, cluster, store, GoTool(store, prefix))


def claim_of(inv: Invocation, env: str) -> Claim | None:
    """The claim that the command's options name, if any."""
    settings = inv.settings
    return claim_for(
        env, issue=settings[o.ISSUE], pr=settings[o.PR], branch=_given(inv, o.BRANCH), slot=settings[o.SLOT]
    )


def require_claim(inv: Invocation, env: str) -> Claim:
    """The same. Raises ConfigError where they name none."""
    claim = claim_of(inv, env)
    if claim is None:
        raise ConfigError("whose slot?", hint="give one of --issue, --pr, --slot (or CODEXCTL_ISSUE_NUMBER …)")
    return claim


def find_slot(slots: Slots) -> SlotRecord | None:
    """The slot that the command's options mean, None where they name none or it is not leased.

    Raises SlotMoved where --epoch was given and the slot has moved on, or is not the claim's any more.
    """
    claim = claim_of(slots.inv, slots.store.env)
    if claim is None:
        return None
    record = slots.store.find(claim)
    epoch = slots.inv.settings[o.EPOCH]
    if record is None:
        check_epoch(SlotRecord(slots.store.project, slots.store.env, slots.inv.settings[o.SLOT], ""), epoch)
        return None
    check_epoch(record, epoch)
    return record


def require_slot(slots: Slots) -> SlotRecord:
    """The same. Raises ConfigError where there is none."""
    found = find_slot(slots)
    if found is None:
        claim = require_claim(slots.inv, slots.store.env)
        raise ConfigError(f"{claim} has no slot", hint="run ci ensure-slot first")
    return found


def lease_request(slots: Slots) -> LeaseRequest:
    """What ``ensure-slot`` asks for."""
    inv, settings = slots.inv, slots.inv.settings
    env = slots.store.env
    claim = require_claim(inv, env)
    # Staging is one: so is the slot for its repair.
    limit, wanted = (1, 0) if env == "ai-repair" else (settings[o.MAX], settings[o.SLOT])
    if limit and wanted > limit:
        raise ConfigError(
            f"there is no slot {wanted}: the limit is {limit}", hint="see maxSlots, CODEXCTL_DEV_SLOTS_MAX"
        )
    if env == "ai" and slots.namespace_of(1) == slots.namespace_of(2):
        raise ConfigError(
            f"every slot would be in namespace {slots.namespace_of(1)}",
            hint="put the slot's number into namespace.patterns.ai, and give no --namespace",
        )
    return LeaseRequest(
        Ask(claim, limit, wanted),
        slots.namespace_of,
        holder=settings[o.RUN_ID],
        link=run_link(inv),
        pr=settings[o.PR],
        ttl=settings[o.SLOT_TTL],
        patience=settings[o.SLOT_WAIT],
    )


def run_link(inv: Invocation) -> str:
    """Where a person reads about this workflow run, empty outside of one."""
    server, repo = inv.environ.get("GITHUB_SERVER_URL", ""), inv.environ.get("GITHUB_REPOSITORY", "")
    run = inv.environ.get("GITHUB_RUN_ID", "")
    return f"{server}/{repo}/actions/runs/{run}" if server and repo and run else ""


def _given(inv: Invocation, option: Option[str]) -> str:
    return inv.settings[option] if option.name in inv.settings.values else option.default
