"""Where an agent runs, opened from a command's settings: the slot's record, the place, its sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from codexctl_ci import process
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.agent import WORKDIR, config_of
from codexctl_ci.cli.wiring.slots import Slots, open_slots, require_slot
from codexctl_ci.cli.wiring.workspace import open_volume
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.runner import Workplace, open_workplace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.operations.carried_run import CarriedRun
from codexctl_ci.operations.render_prompt import Gathered
from codexctl_ci.operations.run_agent import AgentJournal
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.ports import AgentRuntime, ClusterApi
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project
from codexctl_ci.workspace.ignoring import ignored
from codexctl_ci.workspace.runner_copy import LocalShell, RunnerCopy
from codexctl_ci.workspace.volume import VolumeTree

log = logging.getLogger(__name__)

_RENEW = timedelta(minutes=30)


@dataclass(frozen=True)
class AgentPlace:
    """Everything that one run needs of the outside."""

    project: Project
    journal: AgentJournal
    runtime: AgentRuntime
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
        keep = config_of(inv, project, gathered, in_pod=False).variables
        name = f"{project.name}-{record.env}-{record.slot}-{record.epoch}"
        workplace = open_workplace(name, inv.environ, keep=keep)
        workdir = str(workplace.work)
        inside = CodexRuntime(workplace.place, workdir, say)
        kept = not settings[o.KIND].startswith("plan")
        carried = CarriedRun(inside, _copy(inv, slots, project, record, workplace), change_is_kept=kept)
        return AgentPlace(project, journal, carried, record.epoch, in_pod=False, workdir=workdir)
    pod = find_agent_place(_slots_own(slots, record), record.namespace)
    log.info("the agent's place is %s", pod)
    return AgentPlace(project, journal, CodexRuntime(pod, WORKDIR, say), record.epoch, in_pod=True, workdir=WORKDIR)


def _copy(inv: Invocation, slots: Slots, project: Project, record: SlotRecord, workplace: Workplace) -> RunnerCopy:
    """The slot's sources for an agent on the runner. No pod stands in the slot while it works."""
    cluster = _slots_own(slots, record)
    shell = LocalShell(str(workplace.home.parent), workplace.place.env, workplace.place.user)
    return RunnerCopy(
        home=workplace.home,
        shell=shell,
        local=VolumeTree(shell, PurePosixPath(workplace.home.name)),
        slot=lambda: open_volume(inv, project, cluster(), record),
        ignored=lambda paths, tree: ignored(paths, tree.rules(), process.run, inv.environ),
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
