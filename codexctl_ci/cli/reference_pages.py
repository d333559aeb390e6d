"""Pages of reference that are made from tables: options and commands; outputs, exit codes and conclusions."""

from __future__ import annotations

from typing import Any

from codexctl_ci import errors
from codexctl_ci.cli.actions import ACTIONS, OUTPUTS
from codexctl_ci.cli.main import BUG, INTERRUPTED
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.table import COMMANDS


def options_markdown() -> str:
    """The text of docs/options.md."""
    options: dict[str, Option[Any]] = {}
    users: dict[str, list[str]] = {}
    for command in COMMANDS:
        for option in command.options:
            options[option.name] = option
            users.setdefault(option.name, []).append(command.name)
    lines = [
        "# Options",
        "",
        "Made by `make docs` from the table in `codexctl_ci/cli/options.py`.",
        "",
        "Strongest first: command line, action input, variable, services.yaml, default.",
        "An empty string counts as unset. Durations are written as in Go: `90s`, `10m`, `1h30m`.",
        "",
        "| flag | action input | variable | services.yaml | default | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(options):
        option = options[name]
        default = f"`{option.default_text()}`" if option.default_text() else ""
        flag = (f"`{option.flag}`" + (f" `{option.short}`" if option.short else "")) if option.has_flag else ""
        given = f"`{option.input_name}`" if option.has_flag else ""
        variables = f"`{option.variables[0]}`" + "".join(f", else `{name}`" for name in option.fallbacks)
        key = f"`{option.key}`" if option.key else ""
        meaning = option.help + (f" One of `{'`, `'.join(c for c in option.choices if c)}`." if option.choices else "")
        lines.append(f"| {flag} | {given} | {variables} | {key} | {default} | {meaning} |")
    lines += ["", "# Commands", "", "| command | what it does | options beside the global ones |", "|---|---|---|"]
    for command in COMMANDS:
        own = " ".join(f"`{option.flag}`" for option in _once(command.own) if option.has_flag)
        lines.append(f"| `{command.name}` | {command.help} | {own} |")
    return "\n".join(lines) + "\n"


def _once(options: tuple[Option[Any], ...]) -> list[Option[Any]]:
    return sorted({option.name: option for option in options}.values(), key=lambda option: option.name)


def outcomes_markdown() -> str:
    """The text of docs/outcomes.md."""
    lines = [
        "# Exit codes, conclusions, outputs",
        "",
        "Made by `make docs` from the table of errors in `codexctl_ci/errors.py` and of actions in",
        "`codexctl_ci/cli/actions.py`. What an outcome means for slot and issue:",
        "[workflows.md](workflows.md#what-an-outcome-means).",
        "",
        "## Exit codes",
        "",
        "| exit | `conclusion` | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| {code} | {conclusion} | {meaning} |" for code, conclusion, meaning in sorted(_ends())]
    lines += ["", "## Outputs of the actions", "", "| action | runs | outputs |", "|---|---|---|"]
    for action in ACTIONS:
        command = f"codexctl-ci {action.command}" if action.command else f"codexctl-ci {action.group} <command>"
        names = " ".join(f"`{name}`" for name in action.all_outputs)
        lines.append(f"| `{action.name}` | `{command}` | {names} |")
    lines += [
        "",
        "Outputs are texts; yes and no are `true` and `false`. They are written at once: a step that fails later still",
        "has those that it set before. On the command line they go to the file that `GITHUB_OUTPUT` names.",
        "",
        "| output | meaning |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in OUTPUTS.items()]
    return "\n".join(lines) + "\n"


def _ends() -> list[tuple[int, str, str]]:
    """Exit code, conclusion and meaning of each way to end."""
    known = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CodexctlError)
    ]
    classes = [kind for kind in known if {"exit_code", "conclusion"} & {*vars(kind)}]
    return [
        (0, "`changed`, `no_change`", "Done."),
        (BUG, "", "A bug of ours: please report it with the lines that were printed."),
        (INTERRUPTED, "", "Interrupted: the job was cancelled, or somebody pressed Ctrl-C."),
        *((kind.exit_code, f"`{kind.conclusion}`", _first(kind)) for kind in classes),
    ]


def _first(kind: type[errors.CodexctlError]) -> str:
    """The first paragraph of an error's promise, on one line."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())
