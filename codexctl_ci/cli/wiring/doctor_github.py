"""The doctor's checks of what GitHub says of the repository."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.doctor_images import failing
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations import doctor_github
from codexctl_ci.operations.doctor import Check, Level

if TYPE_CHECKING:
    from codexctl_ci.github.facts import Facts


def github_checks(
    inv: Invocation,
    scale_sets: Callable[[], Mapping[str, int] | None],
    wanted: Collection[frozenset[str]],
    asked: Collection[str],
    limit: int,
) -> list[Check]:
    """Token, settings, variables and runners.

    ``scale_sets`` looks into the cluster for runners, ``wanted`` are the labels that jobs ask for, ``asked`` the
    variables that templates read, ``limit`` the most slots that services.yaml allows.
    """
    from codexctl_ci.cli.table import variable_names
    from codexctl_ci.cli.wiring.github import open_github
    from codexctl_ci.github.facts import Facts

    try:
        open_github(inv)
    except CodexctlError as error:
        return [failing("github", "token", error)]

    def facts() -> Facts:
        # Each check has a connection of its own: they run beside each other.
        return Facts(open_github(inv))

    slots = inv.settings[o.MAX] or limit
    known = variable_names() | set(asked)
    return [
        Check("github", "token", lambda: doctor_github.token(facts())),
        Check("github", "settings", lambda: doctor_github.settings(facts(), environment="ai-staging")),
        Check("github", "variables", lambda: doctor_github.variables(facts().variables(), known), Level.SKIP),
        Check("github", "runners", lambda: doctor_github.runners(facts(), slots, scale_sets), Level.WARN),
        Check("github", "runner labels", lambda: doctor_github.labels(facts(), wanted, scale_sets), Level.WARN),
        Check("github", "runner group", doctor_github.runner_groups),
    ]
