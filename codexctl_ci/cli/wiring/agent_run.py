"""Where an agent runs, opened from a command's settings: the slot's record, the place, its sources."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.agent import WORKDIR, config_of
from codexctl_ci.cli.wiring.slots import open_slots, require_slot
from codexctl_ci.codex.places import Place
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.runner import open_clone
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.operations.render_prompt import Gathered
from codexctl_ci.operations.run_agent import AgentJournal
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project

log = logging.getLogger(__name__)


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
    settings = inv.settings
    slots = open_slots(inv)
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
    pod = find_agent_place(slots.cluster, record.namespace)
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
