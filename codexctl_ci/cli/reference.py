"""Writes what can be derived from tables: the actions' action.yml, pages of reference, the examples' wrappers.

``python -m codexctl_ci.cli.reference`` in a checkout writes them; ``--check`` says which are stale, exit 1 then.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from codexctl_ci.adoption.wrappers import WRAPPERS
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.table import COMMANDS, Command
from codexctl_ci.durations import format_duration


@dataclass(frozen=True)
class Action:
    """A composite action: one command, and the outputs it sets. Without ``command`` an input chooses it."""

    name: str
    title: str
    command: str
    outputs: tuple[str, ...] = ()
    group: str = ""


_SLOT = ("slot", "namespace", "env", "epoch", "created")
_READY = (
    *_SLOT,
    "recreated",
    "infra_ready",
    "infra_unhealthy",
    "codexctl_env_ready",
    "codexctl_new_env",
    "codexctl_run_args",
)
_PUSH = ("conclusion", "commit", "branch", "pr_number")
_FAILED = ("conclusion", "failure")

ACTIONS: tuple[Action, ...] = (
    Action("images", "Mirror and build the project's images", "ci images"),
    Action("apply", "Apply the stack", "ci apply"),
    Action("sync-sources", "Copy the checkout into the workspace volume", "ci sync-sources"),
    Action("ensure-slot", "Lease a slot", "ci ensure-slot", _SLOT),
    Action("ensure-ready", "Slot, sources, images and stack", "ci ensure-ready", _READY),
    Action(
        "prompt-run",
        "Run the agent",
        "prompt run",
        ("conclusion", "thread_id", "final_message", "input_tokens", "cached_input_tokens", "output_tokens", "cost"),
    ),
    Action("pr-publish", "Publish the agent's change as a pull request", "pr publish", _PUSH),
    Action("review-apply", "Publish the agent's answer to a review", "pr review-apply", _PUSH),
    Action("pr-detect", "Find the pull request of a branch", "pr detect", ("codexctl_pr_number", "head")),
    Action("plan-resolve-root", "Find the root planning issue", "plan resolve-root", ("root", "focus")),
    Action("manage-env", "Slots and what hangs on them", "", group="manage-env"),
    Action("guard", "May this actor start this run?", "guard", ("allowed",)),
    Action("doctor", "What is missing here, and how to get it", "doctor"),
)


def command_named(name: str) -> Command:
    """The row of the table of commands. Raises KeyError."""
    return {command.name: command for command in COMMANDS}[name]


def action_yaml(action: Action) -> str:
    """The text of ``actions/<name>/action.yml``."""
    commands = [command_named(action.command)] if action.command else _group(action.group)
    options = {option.name: option for command in commands for option in command.options if option.has_flag}
    lines = [
        "# Made by `make docs` from the table of options: change it there.",
        f"name: codexctl-ci {action.name}",
        f"description: {action.title}",
        "inputs:",
    ]
    if action.group:
        lines += _input("command", "Which one: " + ", ".join(command.name.split()[1] for command in commands), True)
    for option in sorted(options.values(), key=lambda option: option.name):
        lines += _input(option.input_name, f"{option.help} [{option.variables[0]}]", False)
    lines += _input("working-directory", "Where services.yaml lies.", False, ".")
    lines.append("outputs:")
    for output in dict.fromkeys((*action.outputs, *_FAILED)):
        lines += [f"  {output}:", f"    description: {_OUTPUTS[output]}"]
        lines.append(f"    value: ${{{{ steps.run.outputs.{output} }}}}")
    words = action.command or f'{action.group} "$CODEXCTL_ACTION_COMMAND"'
    lines += [
        "runs:",
        "  using: composite",
        "  steps:",
        "    - id: run",
        "      shell: bash",
        "      working-directory: ${{ inputs.working-directory }}",
        "      env:",
    ]
    if action.group:
        lines.append("        CODEXCTL_ACTION_COMMAND: ${{ inputs.command }}")
    for option in sorted(options.values(), key=lambda option: option.name):
        lines.append(f"        {option.input_variable}: ${{{{ inputs.{option.input_name} }}}}")
    lines.append(f'      run: exec "$GITHUB_ACTION_PATH/../codexctl-ci" {words}')
    return "\n".join(lines) + "\n"


_OUTPUTS = {
    "slot": "Number of the slot.",
    "namespace": "Namespace of the environment.",
    "env": "Name of the environment.",
    "epoch": "Fencing number of the lease; later steps present it.",
    "created": "Whether this run created the slot.",
    "recreated": "Whether the slot had to be made anew.",
    "infra_ready": "Whether the stack is ready.",
    "infra_unhealthy": "Whether it is not.",
    "codexctl_env_ready": "Whether the namespace and the agent's Deployment are there.",
    "codexctl_new_env": "Whether the environment was created or recreated.",
    "codexctl_run_args": "Options with which later commands find this environment.",
    "conclusion": "How it ended.",
    "thread_id": "The agent's thread.",
    "final_message": "The agent's last words.",
    "input_tokens": "Tokens read.",
    "cached_input_tokens": "Those of them that came from the model's cache.",
    "cost": "What the run cost, by codex.prices; empty without them.",
    "output_tokens": "Tokens written.",
    "commit": "Where the branch stands now.",
    "branch": "The branch.",
    "pr_number": "Number of the pull request.",
    "codexctl_pr_number": "Number of the pull request, empty where there is none.",
    "head": "The branch, where it is on the server.",
    "root": "Number of the root planning issue.",
    "focus": "Number of the issue in focus.",
    "allowed": "Whether the run may go on.",
    "failure": "What failed, on which object and why; empty where nothing did.",
}


def _group(group: str) -> list[Command]:
    return [command for command in COMMANDS if command.name.startswith(group + " ")]


def _input(name: str, description: str, required: bool, default: str = "") -> list[str]:
    lines = [f"  {name}:", f"    description: {json.dumps(description, ensure_ascii=False)}"]
    return [*lines, "    required: true"] if required else [*lines, f"    default: {json.dumps(default)}"]


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
        flag = (f"`{option.flag}`" + (f" `{option.short}`" if option.short else "")) if option.has_flag else ""
        given = f"`{option.input_name}`" if option.has_flag else ""
        variables = f"`{option.variables[0]}`" + "".join(f", else `{name}`" for name in option.fallbacks)
        key = f"`{option.key}`" if option.key else ""
        meaning = option.help + (f" One of `{'`, `'.join(c for c in option.choices if c)}`." if option.choices else "")
        lines.append(f"| {flag} | {given} | {variables} | {key} | {_default(option)} | {meaning} |")
    lines += ["", "# Commands", "", "| command | what it does | options beside the global ones |", "|---|---|---|"]
    for command in COMMANDS:
        own = " ".join(f"`{option.flag}`" for option in _once(command.own) if option.has_flag)
        lines.append(f"| `{command.name}` | {command.help} | {own} |")
    return "\n".join(lines) + "\n"


def _once(options: tuple[Option[Any], ...]) -> list[Option[Any]]:
    return sorted({option.name: option for option in options}.values(), key=lambda option: option.name)


def _default(option: Option[Any]) -> str:
    if option.shown_default:
        return f"`{option.shown_default}`"
    value = option.default
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value}`" if value not in ("", (), {}, 0) else ""


def files(root: Path) -> dict[Path, str]:
    """Every derived file of a checkout, and its text."""
    made = {root / "actions" / action.name / "action.yml": action_yaml(action) for action in ACTIONS}
    for services in sorted(root.glob("examples/*/services.yaml")):
        made |= {services.parent / wrapper.path: wrapper.text() for wrapper in WRAPPERS}
    return made | {root / "docs" / "options.md": options_markdown()}


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` name those that are stale."""
    stale = [path for path, text in files(Path()).items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path} is stale: run `make docs`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files(Path())[path])
            sys.stderr.write(f"{path} written\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
