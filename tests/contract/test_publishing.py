"""From a slot's tree to a pull request and its threads: real git and the imitation of GitHub's API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codexctl_ci.errors import ApiError, BlockedByGuardrail, CodexctlError, ConfigError, SlotMoved
from codexctl_ci.github.client import GitHub, Identity
from codexctl_ci.github.desk import Desk
from codexctl_ci.github.git import Clone
from codexctl_ci.github.tracking import Tracker
from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.operations.delivery import Delivered, Delivery, Places
from codexctl_ci.operations.publish import Bot
from codexctl_ci.operations.publish_issue import publish_issue
from codexctl_ci.operations.review_apply import Answers, require_own_pull, review_apply
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import PullRequest, SlotTree, TreeFile
from codexctl_ci.process import run
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.records import AgentRun, ClaimRecord, SlotRecord, SourceTree, leased_to
from tests.support.github_imitation import Shop, imitation, shop
from tests.support.memory_cluster import MemoryCluster

__all__ = ["imitation", "shop"]

BOT = Bot("codex-bot", "codex-bot@users.noreply.github.com")


@dataclass
class Tree:
    """A slot's sources as the port shows them: clean again once they are published."""

    commit: str
    files: tuple[TreeFile, ...] = ()
    record: Callable[[str], None] = lambda commit: None

    def base(self) -> str:
        return self.commit

    def changes(self, *, max_files: int, max_bytes: int) -> tuple[TreeFile, ...]:
        return self.files

    def published(self, commit: str) -> None:
        self.commit, self.files = commit, ()
        self.record(commit)

    def write(self, path: str, text: str) -> None:
        self.files = (*self.files, TreeFile(path, "file", False, text.encode()))


@dataclass
class Desktop:
    """One issue with its slot, and what a run publishes from it."""

    shop: Shop
    folder: Path
    issue: int
    tree: Tree
    store: SlotStore
    github: GitHub
    said: list[Delivered] = field(default_factory=list)
    checks_failed: bool = False

    @property
    def branch(self) -> str:
        return f"codex/issue-{self.issue}"

    @property
    def record(self) -> SlotRecord:
        found = self.store.read(1)
        assert found is not None
        return found

    def places(self, desk: Desk | None = None) -> Places:
        @contextmanager
        def tree(lock: OperationLock) -> Iterator[SlotTree]:
            yield self.tree

        url = f"{self.shop.github.url}/{self.shop.name}.git"
        clone = Clone(url, self.folder / f"clone-{len(self.said)}", self.github.git_credentials(), run, os.environ)
        return Places(self.store, self.record, tree, clone, desk or Desk(self.github), self.comment)

    def comment(self, done: Delivered) -> dict[int, str]:
        self.said.append(done)
        return {self.issue: f"{done.conclusion} {done.commit} {' '.join(done.rules)}"}

    def delivery(self, conclusion: str = "changed", branch: str = "") -> Delivery:
        return Delivery(conclusion, branch or self.branch, "Greet\n", BOT, Policy(), checks_failed=self.checks_failed)

    def publish(self, conclusion: str = "changed", places: Places | None = None) -> Delivered:
        return publish_issue(
            places or self.places(),
            self.delivery(conclusion),
            title="Greet in French",
            body=lambda: f"Says Salut.\n\nCloses #{self.issue}\n",
        )

    def published(self, commit: str) -> None:
        self.store.update(1, lambda record: replace(record, tree=SourceTree(commit, "x", "x", touched=True)))

    def only_pull(self) -> PullRequest:
        """The one pull request, as the server has it."""
        (pull,) = self.shop.writer.pulls(self.shop.name)
        found = Desk(self.github).pull(pull["number"])
        assert found is not None
        return found

    def agent_ran(self) -> None:
        agent = AgentRun("1-9", datetime(2026, 1, 1, tzinfo=UTC), ended=True)
        self.store.update(1, lambda record: replace(record, agent=agent))


@pytest.fixture
def desktop(shop: Shop, tmp_path: Path) -> Desktop:
    number = shop.reader.issue(shop.name, "Greet in French", "Please")
    store = SlotStore(MemoryCluster(), "state", "shop", "ai")
    claim = ClaimRecord(Claim("ai", "issue", number), uid="u")
    empty = SlotRecord("shop", "ai", 1, "shop-dev-1")
    store.put(leased_to(empty, claim, now=store.cluster.now(), ttl=timedelta(hours=1)))
    github = GitHub(Identity(shop.writer.token), shop.name, f"{shop.github.url}/api/v3")
    made = Desktop(shop, tmp_path, number, Tree(shop.writer.branches(shop.name)["main"]), store, github)
    made.agent_ran()
    made.tree.record = made.published
    return made


def bodies(desktop: Desktop, number: int = 0) -> list[str]:
    return [c["body"] for c in desktop.shop.writer.comments(desktop.shop.name, number or desktop.issue)]


def test_change_becomes_a_pull_request_that_closes_the_issue(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert (pull["head"]["ref"], pull["base"]["ref"], pull["user"]["login"]) == (desktop.branch, "main", "bob")
    assert pull["head"]["sha"] == done.commit and pull["body"].strip().endswith(f"Closes #{desktop.issue}")
    assert done.pull is not None and done.opened and done.files == ("greet.txt",)
    assert bodies(desktop) == [f"<!-- codexctl-ci: env -->\nchanged {done.commit}\n"]
    assert desktop.record.pr == pull["number"] and not desktop.record.unpublished and desktop.record.lock is None


@pytest.mark.parametrize("supported", [True, False])
def test_change_whose_checks_failed_becomes_a_draft_where_there_are_drafts(desktop: Desktop, supported: bool) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    if not supported:
        desktop.shop.github.fault("status", method="POST", path=".*/pulls", status=422)
    desktop.checks_failed = True
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert done.pull is not None and done.pull.draft is pull["draft"] is supported


def test_open_pull_request_becomes_a_draft_when_later_checks_fail(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    assert desktop.publish().pull == replace(desktop.only_pull(), draft=False)
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    desktop.checks_failed = True
    done = desktop.publish()
    assert done.pull is not None and done.pull.draft and not done.opened and desktop.only_pull().draft


def test_draft_that_the_server_refuses_keeps_no_change_back(desktop: Desktop, caplog: pytest.LogCaptureFixture) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    desktop.publish()
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    desktop.checks_failed = True
    desktop.shop.github.fault("status", method="POST", path=".*/graphql", status=403)
    done = desktop.publish()
    assert done.commit and done.pull is not None and not done.pull.draft
    assert "cannot be made a draft" in caplog.text


def test_second_round_adds_a_commit_to_the_same_pull_request(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    first = desktop.publish()
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    second = desktop.publish()
    assert second.pull is not None and first.pull is not None and second.pull.number == first.pull.number
    assert not second.opened and second.commit != first.commit
    assert len(bodies(desktop)) == 1


def test_step_that_died_after_its_push_is_finished_by_the_next(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    desktop.shop.github.fault("status", method="POST", path=".*/pulls", status=502)
    with pytest.raises(ApiError):
        desktop.publish()
    assert desktop.tree.files == () and desktop.record.unpublished
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert done.conclusion == "changed" and done.commit == pull["head"]["sha"]
    assert not desktop.record.unpublished and len(bodies(desktop)) == 1


def test_no_change_opens_nothing_and_keeps_what_is_open(desktop: Desktop) -> None:
    assert desktop.publish("no_change").conclusion == "no_change"
    assert desktop.shop.writer.pulls(desktop.shop.name) == [] and not desktop.record.unpublished
    desktop.tree.write("greet.txt", "Salut\n")
    opened = desktop.publish().pull
    desktop.agent_ran()
    assert desktop.publish("no_change").pull == opened
    assert bodies(desktop) == ["<!-- codexctl-ci: env -->\nno_change\n"]


def test_change_that_is_not_in_the_sources_is_an_error_and_stays_unpublished(desktop: Desktop) -> None:
    with pytest.raises(CodexctlError, match="as they were"):
        desktop.publish()
    assert list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"] and desktop.record.unpublished


def test_blocked_change_is_told_and_kept(desktop: Desktop) -> None:
    desktop.tree.write(".github/workflows/x.yml", "on: push\n")
    desktop.tree.write("a.txt", "key = sk-proj-abcdefghijklmnopqrstuv\n")
    done = desktop.publish()
    assert done.conclusion == "blocked" and done.commit == ""
    (text,) = bodies(desktop)
    assert "protected: .github/workflows/x.yml" in text and "guardrails.allowProtected" in text
    assert "secret: a.txt:1" in text and "sk-proj" not in text
    assert desktop.record.unpublished and list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"]


@pytest.mark.parametrize("conclusion", ["agent_error", "timeout", "infra_error", "blocked", "", "nonsense"])
def test_run_that_ended_badly_publishes_nothing(desktop: Desktop, conclusion: str) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    with pytest.raises(Exception, match=r"nothing is published|how did|no conclusion"):
        desktop.publish(conclusion)
    assert bodies(desktop) == [] and desktop.record.unpublished


def test_slot_that_moved_on_is_not_touched(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    places = desktop.places()
    desktop.store.update(1, lambda record: replace(record, epoch=record.epoch + 1))
    with pytest.raises(SlotMoved):
        desktop.publish(places=places)
    assert list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"]


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


def test_states_of_issues_and_pull_requests(desktop: Desktop) -> None:
    shop, tracker = desktop.shop, Tracker(desktop.github)
    assert [tracker.issue_state(n) for n in (desktop.issue, 999)] == ["open", "missing"]
    shop.writer.push_files(shop.name, "x", {"a.txt": "x\n"}, "Change")
    number = shop.writer.open_pull(shop.name, "x", "X")
    assert [tracker.pull_state(n) for n in (number, 999)] == ["open", "missing"]
    shop.writer.merge(shop.name, number)
    shop.writer.close(shop.name, desktop.issue)
    assert tracker.pull_state(number) == tracker.issue_state(desktop.issue) == "closed"
    tracker.comment(desktop.issue, "gc", "soon")
    tracker.comment(desktop.issue, "gc", "sooner")
    assert bodies(desktop) == ["<!-- codexctl-ci: gc -->\nsooner\n"]
