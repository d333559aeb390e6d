"""The planning issue at the top of a chain."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.plan_root import PlanIssue, resolve_root
from codexctl_ci.prompts.planning import missing_parts

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


def test_chain_is_climbed_so_far_and_no_further() -> None:
    def read(number: int) -> PlanIssue:
        return PlanIssue(number, (), f"AI-PLAN-PARENT: #{number + 1}")

    with pytest.raises(ConfigError, match="longer than 50 issues"):
        resolve_root(1, read)


@pytest.mark.parametrize(
    ("plan", "missing"),
    [
        ("## Goal\nx\n## Steps\n## Files\n## Risks\n## Open questions", ()),
        ("## Цель\n## Шаги\n## Файлы\n## Риски\n## Открытые вопросы", ()),
        ("1. **Goal**: x\n2. **Steps**: y\n**Files**\n**Risks and open questions**", ()),
        ("## Goal\nThe steps are these, the files those.", ("steps", "files", "risks", "open questions")),
        ("", ("goal", "steps", "files", "risks", "open questions")),
    ],
)
def test_parts_that_a_plan_lacks_are_known(plan: str, missing: tuple[str, ...]) -> None:
    assert missing_parts(plan) == missing


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_prompts_ask_for_just_these_parts(lang: str) -> None:
    text = resources.files("codexctl_ci.prompts").joinpath(f"texts/{lang}/_end_plan.md.j2").read_text("utf-8")
    assert missing_parts("\n".join(re.findall(r"`(## [^`]*)`", text))) == ()


@pytest.mark.parametrize(("start", "words"), [(4, "#4 -> #5 -> #4"), (6, "neither"), (7, "#99 is not there")])
def test_chain_that_leads_nowhere_is_an_error(start: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_root(start, ISSUES.get)
