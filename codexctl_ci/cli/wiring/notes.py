"""The environment's comment from a command's settings and its slot."""

from __future__ import annotations

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.github import run_url
from codexctl_ci.guardrails.secrets import needles
from codexctl_ci.reporting.issue_comment import EnvironmentNote
from codexctl_ci.slots.records import SlotRecord

_SECRET_OPTIONS = (o.GH_PAT, o.APP_PRIVATE_KEY)
_SECRET_VARIABLES = ("OPENAI_API_KEY", "CONTEXT7_API_KEY", "GH_TOKEN", "GITHUB_TOKEN")


def note_of(call: Invocation, record: SlotRecord | None, site_host: str) -> EnvironmentNote:
    """What settings and slot say; the command adds what it did itself."""
    settings = call.settings
    return EnvironmentNote(
        conclusion=settings[o.CONCLUSION],
        site_url=f"https://{site_host}" if site_host and record else "",
        namespace=record.namespace if record else "",
        slot=record.slot if record else 0,
        run_url=run_url(call),
        tokens_in=settings[o.TOKENS_IN],
        tokens_out=settings[o.TOKENS_OUT],
        words=settings[o.FINAL_MESSAGE],
    )


def own_secrets(call: Invocation) -> tuple[bytes, ...]:
    """What must not be published in any form: this run's own secrets."""
    options = {option.name: option for option in _SECRET_OPTIONS}
    values = [str(call.settings[option]) for name, option in options.items() if name in call.settings.values]
    values += [call.environ.get(name, "") for name in _SECRET_VARIABLES]
    for line in call.environ.get("CODEXCTL_TEMPLATE_SECRETS", "").splitlines():
        values.append(line.partition("=")[2].strip().strip("\"'"))
    return needles(value for value in values if value)
