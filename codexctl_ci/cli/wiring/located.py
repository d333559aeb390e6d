"""Which slot a call means, told as cheaply as may be: the cluster is opened only to look up whose slot it is."""

from __future__ import annotations

import logging

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.environments import REPAIR, SLOT_ENVIRONMENT
from codexctl_ci.stack.project import Project

SLOT_ENVIRONMENTS = (SLOT_ENVIRONMENT, REPAIR)
STAGING, REPAIRS = "ai-staging", REPAIR

log = logging.getLogger(__name__)


def refuse_claim(inv: Invocation, env: str) -> None:
    """Raises ConfigError where the command line names a slot and ``env`` has none: whoever typed it means another.

    Variables may name an issue there: a workflow's templates and hooks know it by them.
    """
    settings = inv.settings
    for option in (o.SLOT, o.ISSUE, o.PR):
        if env not in SLOT_ENVIRONMENTS and settings.source(option) == option.flag and settings[option]:
            raise ConfigError(
                f"{option.flag} {settings[option]} names a slot, and environment {env!r} has none",
                where=settings.source(o.ENVIRONMENT),
                hint=f"give --env ai for the slot, or leave {option.flag} out for {env}; templates and hooks find the "
                f"number in {option.variables[0]} too",
            )


def located(inv: Invocation) -> Project:
    """The project as it is in the slot that the settings mean; the cluster is asked only where no --slot says which.

    Raises ConfigError where the issue or pull request has no slot, or the environment has none.
    """
    project = open_project(inv)
    refuse_claim(inv, project.env)
    if project.env not in SLOT_ENVIRONMENTS or project.slot:
        return project
    if not (inv.settings[o.ISSUE] or inv.settings[o.PR]):
        if project.env == SLOT_ENVIRONMENT and not inv.settings[o.NAMESPACE]:
            log.warning("no slot is named: this is slot 0, which nobody ever has; give --slot")
        return project
    from codexctl_ci.cli.wiring.cluster import open_cluster
    from codexctl_ci.cli.wiring.slots import require_slot, slots_of

    server = open_cluster(inv, project.environment)
    slots = slots_of(inv, project, server)
    return slots.in_slot(require_slot(slots))
