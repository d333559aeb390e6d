"""One issue with its slot, and what is published from it: real git and the imitation of GitHub's API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codexctl_ci.github.client import GitHub, Identity
from codexctl_ci.github.desk import Desk
from codexctl_ci.github.git import Clone
from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.operations.delivery import Delivered, Delivery, Places
from codexctl_ci.operations.publish import Bot
from codexctl_ci.operations.publish_issue import publish_issue
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import PullRequest, SlotTree, TreeFile
from codexctl_ci.process import run
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.records import AgentRun, ClaimRecord, SlotRecord, SourceTree, leased_to
from tests.support.github_imitation import Shop
from tests.support.memory_cluster import MemoryCluster

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
