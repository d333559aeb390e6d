"""A review of a pull request is answered on its branch and in its threads: real git, the imitation of GitHub's API."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.errors import ApiError, BlockedByGuardrail, ConfigError
from codexctl_ci.github.desk import Desk
from codexctl_ci.operations.delivery import Delivered
from codexctl_ci.operations.review_apply import Answers, require_own_pull, review_apply
from tests.support.github_imitation import imitation, shop
from tests.support.publishing_scene import Desktop, bodies, desktop

__all__ = ["desktop", "imitation", "shop"]


@dataclass
class Round:
    """A pull request of a person's branch, and one review of it."""

    desktop: Desktop
    number: int
    head: str
    threads: list[str]

    def apply(self, answers: Answers, conclusion: str = "changed", desk: Desk | None = None) -> Delivered:
        desk = desk or Desk(self.desktop.github)
        pull = require_own_pull(desk, self.number, repair=False)
        places = replace(self.desktop.places(desk), comment=self.comment)
        return review_apply(places, self.desktop.delivery(conclusion, pull.head), pull, answers)

    def comment(self, done: Delivered) -> dict[int, str]:
        self.desktop.said.append(done)
        return {self.number: f"round: {done.commit}"}

    def said(self) -> list[tuple[str, str]]:
        shop = self.desktop.shop
        found = [(c["user"]["login"], c["body"]) for c in shop.writer.line_comments(shop.name, self.number)]
        return [(login, body.rpartition("-->\n")[2]) for login, body in found]


@pytest.fixture
def review(desktop: Desktop) -> Round:
    shop = desktop.shop
    head = shop.writer.push_files(shop.name, "feature/salut", {"greet.txt": "Hello\nSalut\nCiao\n"}, "Change")
    number = shop.writer.open_pull(shop.name, "feature/salut", "Greet")
    lines = (("greet.txt", 2, "Say Bonjour"), ("greet.txt", 3, "No Italian, please"))
    shop.owner.review(shop.name, number, "REQUEST_CHANGES", "Not yet", lines)
    desktop.tree.commit = head
    threads = [thread.id for thread in Desk(desktop.github).threads(number)]
    return Round(desktop, number, head, threads)


def answers(own: dict[str, str] | None = None, round: str = "review-1", by_tool: bool = False) -> Answers:
    as_of = datetime.now(UTC) + timedelta(seconds=1)
    return Answers(round, own or {}, lambda commit: f"In {commit or 'no commit'}.", as_of, by_tool)


def test_review_is_answered_on_its_own_branch_and_in_every_thread(review: Round) -> None:
    review.desktop.tree.write("greet.txt", "Hello\nBonjour\n")
    done = review.apply(answers({review.threads[0]: "Bonjour it is.", "PRRT_of_another": "evil"}))
    shop = review.desktop.shop
    assert shop.writer.branches(shop.name)["feature/salut"] == done.commit != review.head
    assert review.said() == [
        ("alice", "Say Bonjour"),
        ("alice", "No Italian, please"),
        ("bob", f"Bonjour it is.\n\nIn {done.commit}."),
        ("bob", f"In {done.commit}."),
    ]
    assert bodies(review.desktop, review.number) == [f"<!-- codexctl-ci: env -->\nround: {done.commit}\n"]
    assert review.desktop.record.pr == review.number


def test_review_whose_checks_fail_makes_its_pull_request_a_draft(review: Round) -> None:
    review.desktop.checks_failed = True
    assert review.apply(answers(), "no_change").pull is not None and not review.desktop.only_pull().draft
    review.desktop.tree.write("greet.txt", "Hello\nBonjour\n")
    done = review.apply(answers(round="review-2"))
    assert done.pull is not None and done.pull.draft and review.desktop.only_pull().draft


def test_repeat_of_a_round_answers_nothing_twice(review: Round) -> None:
    review.desktop.tree.write("greet.txt", "Hello\nBonjour\n")
    review.apply(answers({review.threads[0]: "Bonjour it is."}))
    before = review.said()
    review.apply(answers({review.threads[0]: "Bonjour it is."}))
    assert review.said() == before


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_answer_that_met_a_fault_stands_there_once(review: Round, kind: str) -> None:
    review.desktop.tree.write("greet.txt", "Hello\nBonjour\n")

    class Failing(Desk):
        failed = False

        def answer(self, thread: str, body: str) -> None:
            if not self.failed:
                self.failed = True
                review.desktop.shop.github.fault(kind, method="POST", path=".*/graphql")
            super().answer(thread, body)

    with pytest.raises(ApiError):
        review.apply(answers(), desk=Failing(review.desktop.github))
    review.apply(answers())
    assert [login for login, _ in review.said()] == ["alice", "alice", "bob", "bob"]


def test_next_round_says_again_only_where_somebody_spoke(review: Round) -> None:
    shop = review.desktop.shop
    review.apply(answers(), "no_change")
    first = shop.writer.line_comments(shop.name, review.number)[0]["id"]
    shop.owner.rest("POST", f"/repos/{shop.name}/pulls/{review.number}/comments/{first}/replies", {"body": "Still."})
    review.apply(answers(round="review-2"), "no_change")
    assert [body for _, body in review.said()][2:] == ["In no commit."] * 2 + ["Still.", "In no commit."]


def test_resolved_and_later_threads_are_left_alone(review: Round) -> None:
    shop = review.desktop.shop
    query = "mutation($t: ID!) { resolveReviewThread(input: {threadId: $t}) { thread { id } } }"
    shop.owner.graphql(query, t=review.threads[0])
    early = replace(answers(), as_of=datetime.now(UTC) - timedelta(hours=1))
    review.apply(early, "no_change")
    assert len(review.said()) == 2
    review.apply(answers(), "no_change")
    assert len(review.said()) == 3


def test_thread_that_the_agents_tool_answered_is_not_answered_again(review: Round) -> None:
    shop = review.desktop.shop
    first = shop.writer.line_comments(shop.name, review.number)[0]["id"]
    as_of = datetime.now(UTC)
    shop.writer.rest("POST", f"/repos/{shop.name}/pulls/{review.number}/comments/{first}/replies", {"body": "By tool."})
    tool = replace(answers(by_tool=True), as_of=as_of - timedelta(microseconds=as_of.microsecond))
    review.apply(tool, "no_change")
    said = [body for _, body in review.said()]
    assert said.count("By tool.") == 1


def test_persons_push_during_the_round_is_kept(review: Round) -> None:
    shop = review.desktop.shop
    review.desktop.tree.write("other.txt", "mine\n")
    theirs = shop.writer.push_files(shop.name, "feature/salut", {"theirs.txt": "x\n"}, "Meanwhile")
    done = review.apply(answers())
    commits = shop.writer.rest("GET", f"/repos/{shop.name}/pulls/{review.number}/commits")
    assert theirs in [commit["sha"] for commit in commits] and commits[-1]["sha"] == done.commit


def test_foreign_closed_and_protected_heads_are_refused(desktop: Desktop) -> None:
    shop = desktop.shop
    desk = Desk(desktop.github)
    with pytest.raises(ConfigError, match="no pull request"):
        require_own_pull(desk, 999, repair=False)
    shop.writer.push_files(shop.name, "codex/ai-repair-3", {"a.txt": "x\n"}, "Change")
    repair = shop.writer.open_pull(shop.name, "codex/ai-repair-3", "Repair")
    with pytest.raises(BlockedByGuardrail, match="belongs to environment ai-repair"):
        require_own_pull(desk, repair, repair=False)
    assert require_own_pull(desk, repair, repair=True).head == "codex/ai-repair-3"
    shop.writer.close(shop.name, repair)
    with pytest.raises(BlockedByGuardrail, match="closed"):
        require_own_pull(desk, repair, repair=True)
    shop.writer.push_files(shop.name, "release", {"a.txt": "x\n"}, "Release")
    shop.writer.push_files(shop.name, "main", {"b.txt": "x\n"}, "Main")
    back = shop.writer.open_pull(shop.name, "main", "Back", base="release")
    with pytest.raises(BlockedByGuardrail, match="no agent pushes"):
        require_own_pull(desk, back, repair=False)
