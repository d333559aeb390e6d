"""One call of one command: its settings, its surroundings, and where its results go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codexctl_ci.cli.settings import Settings
from codexctl_ci.reporting import actions_files
from codexctl_ci.reporting.redaction import Redactor


@dataclass
class Invocation:
    """What a command's function gets. ``environ`` is the process environment, read once."""

    command: str
    settings: Settings
    environ: Mapping[str, str]
    redact: Redactor
    outputs: dict[str, str | bool | int] = field(default_factory=dict)

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

    def print(self, text: str) -> None:
        """The command's result, to stdout, with secrets masked."""
        sys.stdout.write(self.redact(text))
        if not text.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()
