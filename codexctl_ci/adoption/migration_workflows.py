"""What would differ in the workflows of a project of the Go tool: the calls to change, and what each then does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codexctl_ci import REPOSITORY
from codexctl_ci.adoption.difference import ACT, KNOW, Difference
from codexctl_ci.adoption.migration_stack import text_differences
from codexctl_ci.adoption.wrappers import RELEASE, WRAPPERS

_CALL = re.compile(r"""^\s*(?:-\s*)?uses:\s*["']?([\w.-]+/[\w.-]+)(/[^@\s"']*)?@([^\s"'#]+)""")
_WORKFLOW = re.compile(r"/\.github/workflows/(\w+)\.ya?ml")
_NAMES = frozenset(wrapper.name for wrapper in WRAPPERS)
_ISSUES = ("ai_dev_issue", "ai_plan_issue", "ai_plan_review", "ai_repair_issue")
_REVIEWS = ("ai_pr_review", "ai_repair_pr_review")
_CHANGES = ("ai_dev_issue", "ai_pr_review", "ai_repair_issue", "ai_repair_pr_review")


@dataclass(frozen=True)
class Change:
    """What ``workflows`` do otherwise, whatever a project's files say."""

    before: str
    now: str
    workflows: tuple[str, ...]


CHANGES = (
    Change(
        "anybody who could label started an agent",
        "write permission is needed; `CODEXCTL_ALLOWED_USERS` narrows it further",
        (*_ISSUES, *_REVIEWS),
    ),
    Change(
        "comments of anybody reached the prompt",
        "only of people with write permission, as they stood at the event",
        (*_ISSUES, *_REVIEWS),
    ),
    Change("a failed run could end green", "never; its exit code says what it was", (*_ISSUES, *_REVIEWS)),
    Change(
        "each run wiped the workspace",
        "work that isn't published is never overwritten: the run stops and says so",
        (*_ISSUES, *_REVIEWS, "ai_staging_deploy"),
    ),
    Change(
        "a failed run tore its slot down, work included",
        "kept where work is in it; `manage-env cleanup --force` gives it up",
        (*_ISSUES, *_REVIEWS),
    ),
    Change("two model labels: one won", "an error that says so", (*_ISSUES, *_REVIEWS)),
    Change("the agent pushed by itself", "publishing is a step of its own, which checks the change", _CHANGES),
    Change(
        "on a review, files of the pull request steered the deploy",
        "those of the base branch do; only the code is the request's",
        _REVIEWS,
    ),
    Change(
        "any branch could be deleted",
        "only `codex/issue-<n>` and `codex/ai-repair-<n>` of this repository",
        ("ai_cleanup",),
    ),
)
"""docs/migrate-from-codexctl.md shows the same."""


def workflow_differences(workflows: Mapping[str, str]) -> Iterator[Difference]:
    """Calls into another repository, programs that have gone, then ``CHANGES`` for the workflows called."""
    called: dict[str, tuple[str, int]] = {}
    old_owners = set()
    calls = list(_calls(workflows))
    for path, line, repository, below, _ in calls:
        name = (_WORKFLOW.fullmatch(below) or ["", ""])[1]
        if name in _NAMES:
            called.setdefault(name, (path, line))
            if repository.lower() != REPOSITORY:
                old_owners.add(repository)
    for path, line, repository, below, ref in calls:
        if repository in old_owners:
            yield _call(path, line, repository, below, ref)
    for path, text in workflows.items():
        yield from text_differences(path, text)
    for change in CHANGES:
        places = {name: called[name] for name in change.workflows if name in called}
        if places:
            file, line = min(places.values())
            others = len(places) - 1
            what = "here" if not others else f"here and in {others} more workflow{'s' if others > 1 else ''}"
            yield Difference(file, line, KNOW, what, change.before, change.now)


def _calls(workflows: Mapping[str, str]) -> Iterator[tuple[str, int, str, str, str]]:
    for path, text in workflows.items():
        for number, line in enumerate(text.split("\n"), 1):
            if found := _CALL.match(line):
                yield path, number, found[1], found[2] or "", found[3]


def _call(path: str, line: int, repository: str, below: str, ref: str) -> Difference:
    before = f"{repository}{below}@{ref}"
    workflow = _WORKFLOW.fullmatch(below)
    if workflow and workflow[1] in _NAMES:
        new = f"{REPOSITORY}/.github/workflows/{workflow[1]}.yml@{RELEASE}"
        return Difference(path, line, ACT, "uses", before, f"runs the older tool until it is {new}", f"uses: {new}")
    now = "not here under this name"
    advice = f"call the command's own action below {REPOSITORY}/actions/, or set the command line up by {REPOSITORY}"
    return Difference(path, line, ACT, "uses", before, now, f"{advice}@{RELEASE}")
