"""The planning issue at the top of a chain."""

from __future__ import annotations

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.plan_root import PlanIssue, resolve_root

ISSUES = {
    1: PlanIssue(1, ("[ai-plan]",), ""),
    2: PlanIssue(2, (), "text\nAI-PLAN-PARENT: #1\n"),
    3: PlanIssue(3, ("bug",), "ai-plan-parent: #2"),
    4: PlanIssue(4, (), "AI-PLAN-PARENT: #5"),
    5: PlanIssue(5, (), "AI-PLAN-PARENT: #4"),
    6: PlanIssue(6, (), "see AI-PLAN-PARENT: #1"),
    7: PlanIssue(7, (), "AI-PLAN-PARENT: #99"),
}


@pytest.mark.parametrize("start", [1, 2, 3])
def test_chain_leads_to_the_labelled_issue(start: int) -> None:
    assert resolve_root(start, ISSUES.get) == 1


@pytest.mark.parametrize(("start", "words"), [(4, "#4 -> #5 -> #4"), (6, "neither"), (7, "#99 is not there")])
def test_chain_that_leads_nowhere_is_an_error(start: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_root(start, ISSUES.get)
