"""The command line: builds commands from the table, runs one, and turns errors into exit codes.

Exit codes: 0 done, 1 failed, 2 configuration or usage, 3 a bug here, 4 no free slot, 5 not ready, 6 blocked,
7 the agent failed, 130 interrupted.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from codexctl_ci import REPOSITORY, __version__
from codexctl_ci.cli import options as o
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.table import COMMANDS, GROUPS, Command
from codexctl_ci.errors import CodexctlError
from codexctl_ci.guardrails.secret_names import names_a_secret
from codexctl_ci.reporting.redaction import Redactor

if TYPE_CHECKING:
    from codexctl_ci.cli.invocation import Invocation
    from codexctl_ci.cli.settings import Settings

USAGE, BUG, INTERRUPTED = 2, 3, 130

REPOSITORY_VARIABLES = "CODEXCTL_REPOSITORY_VARIABLES"
# A repository variable may set our options, but never what the process itself lives by.
_OURS = re.compile(r"CODEXCTL_(?!INPUT_)[A-Z0-9_]+|LETSENCRYPT_EMAIL")
_GLOBAL_NAMES = frozenset(option.name for option in o.GLOBAL)


def main(argv: list[str], environ: Mapping[str, str] | None = None) -> int:
    """Run one command line and return its exit code. ``environ`` is the process environment unless given."""
    began = time.monotonic()
    environ = with_repository_variables(os.environ if environ is None else environ)
    code = _run(argv, environ)
    if environ.get("CODEXCTL_TIMINGS"):
        from codexctl_ci.cli.timings import record

        words = [word for word in argv[:2] if not word.startswith("-")]
        record(environ, " ".join(words), began, code)
    return code


def _run(argv: list[str], environ: Mapping[str, str]) -> int:
    redact = Redactor()
    for name, value in environ.items():
        if names_a_secret(name):
            redact.register(value)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(environ, redact).main(argv, prog_name="codexctl-ci", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        error.show(sys.stderr)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except CodexctlError as error:
        _show(redact(str(error)), environ)
        if _debugging(argv, environ):
            _show_traceback(redact)
        return error.exit_code
    except OSError as error:
        # What rooms expect of their neighbours they say themselves; this is the machine: a full disk, a missing folder.
        _show(redact(f"{error.strerror or error}: {error.filename or 'standard output'}"), environ)
        if _debugging(argv, environ):
            _show_traceback(redact)
        return CodexctlError.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever it is, say where to report it
        _show(redact(f"unexpected {type(error).__name__}: {error}"), environ)
        _show_traceback(redact)
        sys.stderr.write(f"This is a bug in codexctl-ci {__version__}. Please report it with the lines above:\n")
        sys.stderr.write(f"  https://github.com/{REPOSITORY}/issues\n")
        return BUG
    return code if isinstance(code, int) else 0


def with_repository_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, where variables of the repository (one JSON object) fill what is unset or empty."""
    found = dict(environ)
    if not found.get(REPOSITORY_VARIABLES):
        return found
    import json

    try:
        variables = json.loads(found[REPOSITORY_VARIABLES])
    except ValueError:
        variables = {}
    for name, value in variables.items() if isinstance(variables, dict) else ():
        if _OURS.fullmatch(name) and isinstance(value, str) and not found.get(name):
            found[name] = value
    return found


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # A cancelled job gets SIGINT, then SIGTERM: both mean the same, and only the first counts.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _debugging(argv: list[str], environ: Mapping[str, str]) -> bool:
    return "--debug" in argv or environ.get("CODEXCTL_DEBUG", "").lower() in o.TRUE


def _show(message: str, environ: Mapping[str, str]) -> None:
    sys.stderr.write(f"error: {message}\n")
    if environ.get("GITHUB_ACTIONS") == "true":
        from codexctl_ci.reporting.actions_files import escape_data

        sys.stderr.write(f"::error title=codexctl-ci::{escape_data(message)}\n")


def _show_traceback(redact: Redactor) -> None:
    import traceback

    sys.stderr.write(redact(traceback.format_exc()))


def app(environ: Mapping[str, str], redact: Redactor) -> click.Group:
    """The whole command line as one click group; nothing of a command is imported before it runs."""
    root = click.Group(
        "codexctl-ci",
        help="A deployed stack of its own for every issue, with a Codex agent working beside it.",
        params=[
            *(_parameter(option) for option in o.GLOBAL),
            click.Option(
                ["--version"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_print_version,
                help="Print the version and exit.",
            ),
        ],
        callback=click.pass_context(_keep_globals),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    groups: dict[str, click.Group] = {}
    for command in COMMANDS:
        group_name, _, leaf = command.name.rpartition(" ")
        parent = root
        if group_name:
            if group_name not in groups:
                groups[group_name] = click.Group(group_name, help=GROUPS[group_name])
                root.add_command(groups[group_name])
            parent = groups[group_name]
        parent.add_command(_click_command(leaf, command, environ, redact))
    return root


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"codexctl-ci {__version__}")
        context.exit()


def _keep_globals(context: click.Context, /, **flags: str | bool | None) -> None:
    context.obj = flags


def _click_command(leaf: str, command: Command, environ: Mapping[str, str], redact: Redactor) -> click.Command:
    def call(context: click.Context, /, **flags: str | bool | None) -> int:
        # Only what is called is loaded: help should not wait for it.
        from codexctl_ci.cli.invocation import Invocation
        from codexctl_ci.cli.logs import configure_logging
        from codexctl_ci.cli.settings import resolve

        above: Mapping[str, str | bool | None] = context.find_root().obj or {}
        for name in _GLOBAL_NAMES:
            if flags.get(name) is None:
                flags[name] = above.get(name)
        settings = resolve(command.options, flags, environ, command.defaults)
        _register_secrets(command, settings, redact)
        configure_logging(settings[o.LOG_LEVEL], settings[o.LOG_FORMAT], settings[o.DEBUG], redact)
        invocation = Invocation(command.name, settings, environ, redact)
        try:
            _load(command.run)(invocation)
        except CodexctlError as error:
            invocation.failed(error)
            raise
        except Exception as error:
            invocation.failed(CodexctlError("an unexpected error", reason=f"{type(error).__name__}: {error}"))
            raise
        return invocation.exit_code

    made = _Command(leaf, help=command.help, short_help=command.help, callback=click.pass_context(call))
    made.options, made.defaults = command.options, command.defaults
    return made


class _Command(click.Command):
    """Makes its parameters only when it is called: those of all commands cost more than a short command itself."""

    options: tuple[Option[Any], ...] = ()
    defaults: Mapping[str, Any] = {}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self.params:
            self.params = [_parameter(option, self.defaults) for option in self.options if option.has_flag]
        return super().get_params(ctx)


def _register_secrets(command: Command, settings: Settings, redact: Redactor) -> None:
    for option in command.options:
        if option.secret and settings[option]:
            redact.register(str(settings[option]))


def _load(target: str) -> Callable[[Invocation], None]:
    module, _, function = target.partition(":")
    found: Callable[[Invocation], None] = getattr(import_module(module), function)
    return found


def _parameter(option: Option[Any], defaults: Mapping[str, Any] | None = None) -> click.Option:
    words = [option.flag] if not option.is_flag else [f"{option.flag}/--no-{option.flag[2:]}"]
    if option.short:
        words.append(option.short)
    help_text = option.help
    if option.choices:
        help_text += " One of " + ", ".join(choice for choice in option.choices if choice) + "."
    default = option.default_text(defaults)
    return click.Option(
        [*words, option.name],
        default=None,
        is_flag=option.is_flag,
        metavar=option.metavar or None,
        help=f"{help_text}  [{option.variables[0]}{default and f'; default: {default}'}]",
    )
