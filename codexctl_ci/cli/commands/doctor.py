"""The command that says what is missing."""

from __future__ import annotations

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation


def doctor(inv: Invocation) -> None:
    """``doctor``: every finding as a table or as JSON; exit code 1 where something is missing."""
    from codexctl_ci.cli.wiring.doctor import checks, open_patient
    from codexctl_ci.operations.doctor import examine, failed
    from codexctl_ci.reporting import doctor_table

    findings = examine(checks(open_patient(inv)))
    as_json = inv.settings[o.AS_JSON] or inv.settings[o.OUTPUT] == "json"
    inv.print(doctor_table.as_json(findings) if as_json else doctor_table.as_table(findings))
    inv.summary(doctor_table.as_markdown(findings))
    inv.exit_code = 1 if failed(findings) else 0
