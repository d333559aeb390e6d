"""The command that says what is missing."""

from __future__ import annotations

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation


def doctor(inv: Invocation) -> None:
    """``doctor``: every finding as a table or as JSON; exit code 1 where something is missing.

    With ``--migrate``: what would differ from the older tool; exit code 1 where something has to be changed.
    """
    as_json = inv.settings[o.AS_JSON] or inv.settings[o.OUTPUT] == "json"
    if inv.settings[o.MIGRATE]:
        _migrate(inv, as_json)
        return
    from codexctl_ci.cli.wiring.doctor import checks, open_patient
    from codexctl_ci.operations.doctor import examine, failed
    from codexctl_ci.reporting import doctor_table

    findings = examine(checks(open_patient(inv)))
    inv.print(doctor_table.as_json(findings) if as_json else doctor_table.as_table(findings))
    inv.summary(doctor_table.as_markdown(findings))
    inv.exit_code = 1 if failed(findings) else 0


def _migrate(inv: Invocation, as_json: bool) -> None:
    from codexctl_ci.adoption.difference import ACT
    from codexctl_ci.adoption.migration import differences
    from codexctl_ci.cli.wiring.migration import open_old_project
    from codexctl_ci.reporting import migration_table

    rows = differences(open_old_project(inv))
    inv.print(migration_table.as_json(rows) if as_json else migration_table.as_text(rows))
    inv.summary(migration_table.as_markdown(rows))
    inv.exit_code = 1 if any(row.level == ACT for row in rows) else 0
