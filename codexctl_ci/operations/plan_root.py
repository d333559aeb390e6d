"""The planning issue at the top of a chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codexctl_ci.errors import ConfigError
from codexctl_ci.prompts.planning import parent_of

_LONGEST_CHAIN = 50


@dataclass(frozen=True, slots=True)
class PlanIssue:
    """What the chain needs of an issue."""

    number: int
    labels: tuple[str, ...]
    body: str


def resolve_root(start: int, read: Callable[[int], PlanIssue | None]) -> int:
    """The first issue from ``start`` upwards with the label ``[ai-plan]``.

    Raises ConfigError for an issue that is not there, for a chain that goes in a circle, and for one that ends
    without a planning issue.
    """
    seen: list[int] = []
    number = start
    while True:
        path = " -> ".join(f"#{n}" for n in [*seen, number])
        if number in seen:
            raise ConfigError(f"the chain of AI-PLAN-PARENT goes in a circle: {path}")
        if len(seen) >= _LONGEST_CHAIN:
            raise ConfigError(f"the chain of AI-PLAN-PARENT is longer than {_LONGEST_CHAIN} issues: {path}")
        seen.append(number)
        issue = read(number)
        if issue is None:
            raise ConfigError(f"issue #{number} is not there", hint="look at AI-PLAN-PARENT in the issue below it")
        if any(label.strip().lower() in ("[ai-plan]", "ai-plan") for label in issue.labels):
            return number
        parent = parent_of(issue.body)
        if not parent:
            raise ConfigError(
                f"issue #{number} has neither the label [ai-plan] nor a line AI-PLAN-PARENT: #<n>",
                hint="label the planning issue, or name its parent in the body",
            )
        number = parent
