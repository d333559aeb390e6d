"""The environment's comment from a command's settings and its slot."""

from __future__ import annotations

import logging
from dataclasses import replace

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.github import run_url
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.errors import CodexctlError
from codexctl_ci.guardrails.secrets import needles
from codexctl_ci.reporting.issue_comment import EnvironmentNote
from codexctl_ci.stack.variables import parse_dotenv

log = logging.getLogger(__name__)

_SECRET_OPTIONS = (o.GH_PAT, o.APP_PRIVATE_KEY)
_TELLING = 12
_SECRET_VARIABLES = ("OPENAI_API_KEY", "CONTEXT7_API_KEY", "GH_TOKEN", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN")


def note_of(call: Invocation) -> EnvironmentNote:
    """What the settings say: how it ended, and which environment it was, where a slot is named.

    A services.yaml that cannot be read must not keep us from saying that something failed.
    """
    settings = call.settings
    note = EnvironmentNote(
        conclusion=settings[o.CONCLUSION],
        run_url=run_url(call),
        tokens_in=settings[o.TOKENS_IN],
        tokens_out=settings[o.TOKENS_OUT],
        words=settings[o.FINAL_MESSAGE],
    )
    if not settings[o.SLOT]:
        return note
    try:
        project = open_project(call)
    except CodexctlError as error:
        log.warning("the comment names no environment: %s", error)
        return note
    site = f"https://{project.site_host}" if project.site_host else ""
    return replace(note, slot=settings[o.SLOT], namespace=project.namespace, site_url=site)


def own_secrets(call: Invocation, *more: str) -> tuple[bytes, ...]:
    """What must not be published in any form: this run's own secrets, and those that came to be during it."""
    options = {option.name: option for option in _SECRET_OPTIONS}
    values = [str(call.settings[option]) for name, option in options.items() if name in call.settings.values]
    values += [*more, *(call.environ.get(name, "") for name in _SECRET_VARIABLES)]
    text = str(call.settings[o.TEMPLATE_SECRETS]) if o.TEMPLATE_SECRETS.name in call.settings.values else ""
    # A short one may as well be a word that stands in many files.
    values += [value for value in parse_dotenv(text, "CODEXCTL_TEMPLATE_SECRETS").values() if len(value) >= _TELLING]
    return needles(value for value in values if value)
