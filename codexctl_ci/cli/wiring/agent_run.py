"""Where an agent runs, opened from a command's settings: the slot's record, the place, its sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.agent import WORKDIR, config_of
from codexctl_ci.cli.wiring.slots import Slots, open_slots, require_slot
from codexctl_ci.codex.places import Place
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.runner import open_clone
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.operations.render_prompt import Gathered
from codexctl_ci.operations.run_agent import AgentJournal
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project

log = logging.getLogger(__name__)

_RENEW = timedelta(minutes=30)


@dataclass(frozen=True)
class AgentPlace:
    """Everything that one run needs of the outside."""

    project: Project
    journal: AgentJournal
    runtime: CodexRuntime
    epoch: int
    in_pod: bool
    workdir: str


def open_run(inv: Invocation, gathered: Gathered, say: Callable[[str], None]) -> AgentPlace:
    """The place of this call's agent. Raises ConfigError where there is no slot for it."""
    slots = open_slots(inv)
    # Only now do the settings hold what services.yaml says.
    settings = inv.settings
    record = require_slot(slots)
    project = slots.in_slot(record)
    journal = AgentJournal(slots.store, record.slot, record.epoch, settings[o.RUN_ID])
    if settings[o.EXECUTOR] == "runner":
        clone = open_clone(
            Path(project.context.project_root),
            f"{project.name}-{record.env}-{record.slot}-{record.epoch}",
            inv.environ,
            keep=config_of(inv, project, gathered, in_pod=False).variables,
        )
        return _place(project, journal, clone.place, str(clone.folder), record, say, in_pod=False)
    pod = find_agent_place(_slots_own(slots, record), record.namespace)
    log.info("the agent's place is %s", pod)
    return _place(project, journal, pod, WORKDIR, record, say, in_pod=True)


def _place(
    project: Project,
    journal: AgentJournal,
    place: Place,
    workdir: str,
    record: SlotRecord,
    say: Callable[[str], None],
    *,
    in_pod: bool,
) -> AgentPlace:
    return AgentPlace(
        project=project,
        journal=journal,
        runtime=CodexRuntime(place, workdir, say),
        epoch=record.epoch,
        in_pod=in_pod,
        workdir=workdir,
    )


def _slots_own(slots: Slots, record: SlotRecord) -> Callable[[], ClusterApi]:
    """The cluster as the slot's deployer, with a token that is renewed before it ends."""
    known: list[tuple[float, ClusterApi]] = []

    def cluster() -> ClusterApi:
        now = time.monotonic()
        if not known or now - known[-1][0] > _RENEW.total_seconds():
            known[:] = [(now, deployer(slots.cluster, record))]
        return known[-1][1]

    return cluster
