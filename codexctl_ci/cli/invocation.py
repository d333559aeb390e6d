"""One call of one command: its settings, its surroundings, and where its results go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.settings import Settings
from codexctl_ci.errors import CodexctlError, NotReady
from codexctl_ci.reporting import actions_files
from codexctl_ci.reporting.foreign_text import fenced
from codexctl_ci.reporting.redaction import Redactor


@dataclass
class Invocation:
    """What a command's function gets. ``environ`` is the process environment, read once.

    ``exit_code`` is for a result that isn't 0 without being an error, like a diff that differs.
    """

    command: str
    settings: Settings
    environ: Mapping[str, str]
    redact: Redactor
    outputs: dict[str, str | bool | int] = field(default_factory=dict)
    exit_code: int = 0

    @property
    def in_actions(self) -> bool:
        """Whether this is a step of a workflow."""
        return self.environ.get("GITHUB_ACTIONS") == "true"

    def output(self, **values: str | bool | int) -> None:
        """Outputs of the step. They are written at once, so that a step that fails later still has them."""
        self.outputs.update(values)
        target = self.environ.get("GITHUB_OUTPUT")
        actions_files.write_outputs(Path(target) if target else None, values)

    def summary(self, markdown: str) -> None:
        """A section of the job summary, with secrets masked."""
        target = self.environ.get("GITHUB_STEP_SUMMARY")
        actions_files.append_summary(Path(target) if target else None, self.redact(markdown))

    def failed(self, error: CodexctlError) -> None:
        """Outputs and a section of the job summary that say what failed."""
        if "failure" not in self.outputs:
            self.output(failure=self.redact(str(error)))
        if "conclusion" not in self.outputs:
            self.output(conclusion=error.conclusion)
        self.summary(
            f"### {self.command} failed\n\n{fenced(str(error).splitlines())}\n\nThe same on your machine:\n\n"
            f"```sh\n{self._at_home(error)}\n```"
        )

    def _at_home(self, error: CodexctlError) -> str:
        """The command that shows the same on somebody's own machine."""
        chosen = self.settings
        if o.ENVIRONMENT.name not in chosen.values:
            return f"codexctl-ci {self.command} --debug"
        env = chosen[o.ENVIRONMENT] or str(self.outputs.get("env", "")) or "ai"
        slot = self.outputs.get("slot") or (chosen[o.SLOT] if o.SLOT.name in chosen.values else 0)
        where = f"--env {env}" + (f" --slot {slot}" if slot else "")
        command = "status" if isinstance(error, NotReady) else f"{self.command} --debug"
        return f"codexctl-ci {command} {where}"

    def print(self, text: str) -> None:
        """The command's result, to stdout, with secrets masked."""
        sys.stdout.write(self.redact(text))
        if not text.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()
