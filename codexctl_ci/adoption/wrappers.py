"""The eight small workflows that a project holds: a trigger, and one call of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from codexctl_ci import REPOSITORY

MAIN = "main"
RELEASE = "v1"
"""The tag that wrappers name: it moves with each compatible release."""


@dataclass(frozen=True)
class Wrapper:
    """``triggers`` is the text below ``on:``, ``why`` one sentence for whoever opens the file."""

    name: str
    title: str
    why: str
    triggers: str

    @property
    def path(self) -> str:
        """Where it lies in a project."""
        return f".github/workflows/{self.name}.yml"

    def text(self, ref: str = RELEASE, *, inputs: Mapping[str, str] | None = None, branch: str = MAIN) -> str:
        """The whole file; ``inputs`` are those that the call gives, ``branch`` is the repository's default one."""
        triggers = "\n".join(f"  {line}" for line in self.triggers.replace(f"[{MAIN}]", f"[{branch}]").splitlines())
        given = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in (inputs or {}).items())
        why = self.why.replace(f" {MAIN} ", f" {branch} ")
        return (
            f'# {why}\nname: "AI: {self.title}"\n\non:\n{triggers}\n\npermissions:\n  contents: read\n\n'
            f"jobs:\n  {self.name}:\n    uses: {REPOSITORY}/.github/workflows/{self.name}.yml@{ref}\n"
            + (f"    with:\n{given}" if given else "")
            + "    secrets: inherit\n"
        )


_LABELED = "issues:\n  types: [labeled]"
_REVIEWED = "pull_request_review:\n  types: [submitted]"

WRAPPERS = (
    Wrapper(
        "ai_staging_deploy",
        "deploy staging",
        f"Every push to {MAIN} is deployed to the staging environment.",
        f"push:\n  branches: [{MAIN}]",
    ),
    Wrapper(
        "ai_plan_issue", "plan an issue", "The label [ai-plan] asks for a plan, as a comment on the issue.", _LABELED
    ),
    Wrapper(
        "ai_plan_review",
        "discuss a plan",
        "A comment with [ai-plan] asks for another look at the plan.",
        "issue_comment:\n  types: [created]",
    ),
    Wrapper(
        "ai_dev_issue",
        "work on an issue",
        "The label [ai-dev] asks for a change: a slot, an agent in it, a pull request.",
        _LABELED,
    ),
    Wrapper(
        "ai_pr_review", "answer a review", '"Changes requested" brings the agent back to its pull request.', _REVIEWED
    ),
    Wrapper(
        "ai_repair_issue",
        "repair staging",
        "The label [ai-repair] asks for an agent beside the staging environment.",
        _LABELED,
    ),
    Wrapper(
        "ai_repair_pr_review",
        "answer a review of a repair",
        '"Changes requested" on a pull request of a repair.',
        _REVIEWED,
    ),
    Wrapper(
        "ai_cleanup",
        "clean up",
        "A closed issue or pull request gives its slot back.",
        "issues:\n  types: [closed]\npull_request:\n  types: [closed]",
    ),
)
