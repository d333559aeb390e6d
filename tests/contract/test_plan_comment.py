"""A plan ends as one comment on its issue, brought up to date by each round; no plan is no success."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from tests.support.github_imitation import Shop, imitation, shop

__all__ = ["imitation", "shop"]

PARTS = ("Goal\n\nFish.", "Steps\n\n1. swim", "Files\n\nfish.py", "Risks\n\nwater", "Open questions\n\nnone, @olga")
PLAN = "\n\n".join(f"## {part}" for part in PARTS)


def comment(shop: Shop, folder: Path, issue: int, plan: str) -> int:
    (folder / "services.yaml").write_text("project: shop\n")
    environ = {
        "CODEXCTL_REPO": shop.name,
        "CODEXCTL_GH_PAT": shop.writer.token,
        "GITHUB_API_URL": f"{shop.github.url}/api/v3",
        "CODEXCTL_ISSUE_NUMBER": str(issue),
        "CODEXCTL_FINAL_MESSAGE": plan,
    }
    return main(["manage-env", "comment", "--topic", "plan", "--config", str(folder / "services.yaml")], environ)


def test_plan_is_one_comment_that_is_brought_up_to_date(
    shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    issue = shop.writer.issue(shop.name, "Fish")
    assert comment(shop, tmp_path, issue, PLAN) == 0
    assert comment(shop, tmp_path, issue, PLAN.replace("swim", "swim fast").replace("## Risks", "## Dangers")) == 0
    (told,) = shop.owner.comments(shop.name, issue)
    assert "swim fast" in told["body"] and "@olga" not in told["body"]
    assert "the plan has no part on risks" in capfd.readouterr().err


@pytest.mark.parametrize("plan", ["", " \n\t\n"])
def test_empty_plan_is_the_agents_failure_and_leaves_no_comment(
    shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str], plan: str
) -> None:
    issue = shop.writer.issue(shop.name, "Fish")
    assert comment(shop, tmp_path, issue, plan) == 7
    assert shop.owner.comments(shop.name, issue) == []
    assert "the agent left no plan" in capfd.readouterr().err
