"""The project that a command works on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.main import REPOSITORY_VARIABLES
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.table import COMMANDS
from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.environments import is_label
from codexctl_ci.stack.loading import load_project
from codexctl_ci.stack.project import Project, Surroundings
from codexctl_ci.stack.selection import Selection
from codexctl_ci.stack.variables import Inputs, parse_dotenv, parse_var_file
from codexctl_ci.workspace.files import ProjectFolder

T = TypeVar("T")

log = logging.getLogger(__name__)

_RESOLVED: tuple[Option[Any], ...] = (
    o.ISSUE,
    o.PR,
    o.FOCUS_ISSUE,
    o.LANG,
    o.INFRA_UNHEALTHY,
    o.PROMPT_MODE,
)
_FOR_SLOTS = frozenset({"manage-env", "prompt", "pr"})
# A collector in the cluster has services.yaml and none of the files beside it.
_BY_ITSELF = frozenset({"manage-env gc"})
_ALSO_FOR_SLOTS = frozenset({"ci ensure-slot", "ci ensure-ready"})


def open_project(
    inv: Invocation, *, env: str | None = None, slot: int = 0, namespace: str = "", root: Path | None = None
) -> Project:
    """Load the project of this call, for ``env``, ``slot`` and ``namespace`` where given, else as its options say.

    ``root`` is another folder to read services.yaml from (the base branch's checkout). Options that nobody gave
    take their value from services.yaml. Warnings go to the log.
    """
    settings = inv.settings
    config = Path(settings[o.CONFIG])
    folder = (root / config.parent if root else config.parent).resolve()
    files = ProjectFolder(folder)
    if not files.exists(config.name):
        hint = (
            "run this in the folder that holds it, name it with --config, or let `codexctl-ci init` write a first one"
        )
        raise ConfigError("no such file", where=str(folder / config.name), hint=hint)
    if settings[o.NAMESPACE] and not is_label(settings[o.NAMESPACE]):
        raise ConfigError(f"--namespace {settings[o.NAMESPACE]!r} is no name of a namespace")
    slot = slot or _value(inv, o.SLOT)
    project = load_project(
        files,
        config.name,
        Surroundings(
            env=env or environment_of(inv, slot),
            now=datetime.now(UTC),
            slot=slot,
            namespace=namespace or settings[o.NAMESPACE],
            root=str(folder),
            inputs=_inputs(inv, slot),
            strict=_value(inv, o.STRICT),
            alone=inv.command in _BY_ITSELF,
        ),
    )
    for warning in project.warnings:
        log.warning("%s", warning)
    own = next((command.options for command in COMMANDS if command.name == inv.command), ())
    inv.settings = settings.with_file(own, project.document.data)
    return project


def environment_of(inv: Invocation, slot: int = 0) -> str:
    """The environment of this call: as given, else ``ai`` for slots, agents and prompts, else ``dev``.

    Whoever names a slot, an issue or a pull request means a slot: never ``dev``, which isn't theirs.
    """
    given: str = inv.settings[o.ENVIRONMENT]
    if given:
        return given
    for_slots = inv.command.split()[0] in _FOR_SLOTS or inv.command in _ALSO_FOR_SLOTS
    return "ai" if for_slots or slot or _value(inv, o.ISSUE) or _value(inv, o.PR) else "dev"


def selection_of(inv: Invocation) -> Selection:
    """The filters of this call."""
    return Selection(
        _value(inv, o.ONLY_SERVICES), _value(inv, o.SKIP_SERVICES), _value(inv, o.ONLY_INFRA), _value(inv, o.SKIP_INFRA)
    )


def _inputs(inv: Invocation, slot: int) -> Inputs:
    secrets = parse_dotenv(_value(inv, o.TEMPLATE_SECRETS), "CODEXCTL_TEMPLATE_SECRETS")
    for secret in secrets.values():
        inv.redact.register(secret)
    resolved = {
        option.variables[0]: _text(_value(inv, option))
        for option in _RESOLVED
        if option.name in inv.settings.values and inv.settings.given(option)
    }
    if slot:
        resolved[o.SLOT.variables[0]] = str(slot)
    given = _value(inv, o.VARS)
    return Inputs(
        environ=inv.environ,
        var_file={**_repository_variables(inv), **_var_file(_value(inv, o.VAR_FILE))},
        secrets=secrets,
        given=given,
        resolved=resolved,
    )


def _repository_variables(inv: Invocation) -> dict[str, str]:
    """The repository's variables, which workflows hand over as one JSON object."""
    text = inv.environ.get(REPOSITORY_VARIABLES, "").strip()
    return parse_var_file(text, REPOSITORY_VARIABLES) if text.startswith("{") else {}


def _var_file(given: str) -> dict[str, str]:
    """The values of --var-file. Workflows may put one JSON object in place of the file's name."""
    if given.lstrip().startswith("{"):
        return parse_var_file(given, "CODEXCTL_VAR_FILE")
    if not given:
        return {}
    try:
        return parse_var_file(Path(given).read_text("utf-8"), given)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--var-file cannot be read", where=given, reason=str(error)) from None


def _value(inv: Invocation, option: Option[T]) -> T:
    return inv.settings[option] if option.name in inv.settings.values else option.default


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
