"""The composite actions: which command each one runs, what it gives back, and the text of its action.yml."""

from __future__ import annotations

import json
from dataclasses import dataclass

from codexctl_ci.cli.table import COMMANDS, Command


@dataclass(frozen=True)
class Action:
    """A composite action: one command, and the outputs it sets. Without ``command`` an input chooses it."""

    name: str
    title: str
    command: str
    outputs: tuple[str, ...] = ()
    group: str = ""

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """Its outputs, those of a failure too, each once."""
        return tuple(dict.fromkeys((*self.outputs, *_FAILED)))


_PLACE = ("slot", "namespace", "env", "epoch")
_SLOT = (*_PLACE, "created", "recreated")
_READY = (
    *_SLOT,
    "infra_ready",
    "infra_unhealthy",
    "codexctl_env_ready",
    "codexctl_new_env",
    "codexctl_run_args",
)
_PUSH = ("conclusion", "commit", "branch", "pr_number")
_FAILED = ("conclusion", "failure")

OUTPUTS = {
    "slot": "Number of the slot, 0 in other environments.",
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
    "changed": "Whether anything in the cluster is different now.",
    "ready": "Whether everything that was waited for became ready.",
    "images": "JSON object from each image's name to its reference@digest.",
    "conclusion": "How it ended.",
    "failure": "What failed, on which object and why; empty where nothing did.",
    "thread_id": "The agent's thread.",
    "final_message": "The agent's last words.",
    "input_tokens": "Tokens read.",
    "cached_input_tokens": "Those of them that came from the model's cache.",
    "output_tokens": "Tokens written.",
    "cost": "What the run cost, by codex.prices; empty without them.",
    "commit": "Where the branch stands now.",
    "branch": "The branch.",
    "pr_number": "Number of the pull request.",
    "codexctl_pr_number": "Number of the pull request, empty where there is none.",
    "head": "The branch, where it is on the server.",
    "root": "Number of the root planning issue.",
    "focus": "Number of the issue in focus.",
    "allowed": "Whether the run may go on.",
}

ACTIONS: tuple[Action, ...] = (
    Action("images", "Mirror and build the project's images", "ci images", ("images",)),
    Action("apply", "Apply the stack", "ci apply", ("changed", "ready")),
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
    Action("manage-env", "Slots and what hangs on them", "", _PLACE, group="manage-env"),
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
    for output in action.all_outputs:
        lines += [f"  {output}:", f"    description: {OUTPUTS[output]}"]
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


def _group(group: str) -> list[Command]:
    return [command for command in COMMANDS if command.name.startswith(group + " ")]


def _input(name: str, description: str, required: bool, default: str = "") -> list[str]:
    lines = [f"  {name}:", f"    description: {json.dumps(description, ensure_ascii=False)}"]
    return [*lines, "    required: true"] if required else [*lines, f"    default: {json.dumps(default)}"]
