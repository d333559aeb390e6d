"""Taking back what nobody needs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.errors import ApiError
from codexctl_ci.operations.gc import GcRequest, collect
from codexctl_ci.operations.slot_namespace import EPOCH
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import (
    ENV,
    MANAGED_BY,
    PROJECT,
    RECORD,
    SLOT,
    TOOL,
    UnreadableRecord,
    lease_ref,
    slot_name,
)
from codexctl_ci.slots.records import AgentRun, ClaimRecord, SlotState
from sandbox.state import State
from tests.support.projects import write_files
from tests.support.slot_scene import SlotScene


@dataclass
class Tracker:
    """Issues as a test says they are."""

    closed: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    comments: list[tuple[int, str, str]] = field(default_factory=list)

    def issue_state(self, number: int) -> str:
        return "closed" if number in self.closed else "missing" if number in self.missing else "open"

    def pull_state(self, number: int) -> str:
        return self.issue_state(number)

    def comment(self, number: int, topic: str, body: str) -> None:
        self.comments.append((number, topic, body))


def gc(scene: SlotScene, tracker: Tracker, *, dry_run: bool = False) -> list[tuple[int, str]]:
    done = collect(scene.store(), GcRequest(dry_run=dry_run), go=scene.go(), tracker=tracker)
    return [(one.slot, one.outcome) for one in done]


def commands_environment(scene: SlotScene, sandbox: State, root: Path) -> dict[str, str]:
    """What a command needs to work on the scene's slots."""
    services = f"project: {scene.project}\nnamespace: {{patterns: {{ai-staging: {scene.namespace}}}}}\n"
    write_files(root, {"services.yaml": services})
    return {
        "KUBECONFIG": str(sandbox.kubeconfig),
        "HOME": str(root),
        "CODEXCTL_CONFIG": str(root / "services.yaml"),
    }


def test_slots_of_closed_issues_go_expired_or_not(scene: SlotScene) -> None:
    scene.ensure(7)
    scene.ensure(8)
    scene.ensure(9)
    tracker = Tracker(closed={8}, missing={9})
    assert gc(scene, tracker, dry_run=True) == [(2, "planned")]
    assert scene.records()[2].state is SlotState.LEASED
    assert gc(scene, tracker) == [(2, "freed")]
    assert [record.state for record in scene.records().values()] == ["leased", "free", "leased"]
    assert tracker.comments == []


def test_live_slot_is_taken_only_after_a_warning(scene: SlotScene) -> None:
    scene.ensure(7)
    tracker, store = Tracker(), scene.store()
    now = scene.cluster.now()
    store.update(1, lambda known: replace(known, expires=now - timedelta(minutes=1)))
    assert gc(scene, tracker) == [(1, "warned")]
    assert gc(scene, tracker) == []
    assert [(number, topic) for number, topic, _ in tracker.comments] == [(7, "slot")]
    assert "slot 1" in tracker.comments[0][2]
    store.update(1, lambda known: replace(known, warned=now - timedelta(hours=2)))
    assert gc(scene, tracker) == [(1, "freed")]


def test_use_of_a_warned_slot_keeps_it(scene: SlotScene) -> None:
    scene.ensure(7)
    now = scene.cluster.now()
    scene.store().update(1, lambda known: replace(known, expires=now, warned=now - timedelta(hours=2)))
    scene.ensure(7)
    assert gc(scene, Tracker()) == []


def test_claims_and_namespaces_of_dead_runs_go(scene: SlotScene) -> None:
    scene.ensure(7)
    store = scene.store()
    long_ago = scene.cluster.now() - timedelta(hours=1)
    silent = store.create_claim(ClaimRecord(Claim("ai", "issue", 99), renewed=long_ago))
    assert gc(scene, Tracker()) == [], "it was created a moment ago"
    assert silent.claim.key in store.view().claims
    scene.clean(1)
    name = scene.namespace_of(1)
    labels = {MANAGED_BY: TOOL, PROJECT: scene.project, ENV: "ai", SLOT: "1"}
    meta = {"name": name, "labels": labels, "annotations": {EPOCH: "1"}}
    scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    assert gc(scene, Tracker()) == [(1, "freed")]
    found = scene.namespace_object(name)
    assert found is None or found["metadata"].get("deletionTimestamp")


@dataclass
class Deaf(Tracker):
    """GitHub with a token that is no good."""

    def issue_state(self, number: int) -> str:
        raise ApiError("GitHub answered 401", status=401, reason="Bad credentials", hint="renew the token")


def test_issues_that_nobody_tells_about_fail_the_run_after_all_else_was_done(scene: SlotScene) -> None:
    for issue in (7, 8, 9):
        scene.ensure(issue)
    store, now = scene.store(), scene.cluster.now()
    store.update(2, lambda known: replace(known, state=SlotState.DIRTY, reason="stuck"))
    store.update(3, lambda known: replace(known, expires=now, warned=now - timedelta(hours=2)))
    done = collect(store, GcRequest(), go=scene.go(), tracker=Deaf())
    outcomes = [(one.slot, one.outcome) for one in done]
    assert outcomes == [(1, "failed"), (2, "failed"), (2, "freed"), (3, "failed"), (3, "freed")]
    assert "Bad credentials" in done[0].reason and "renew the token" in done[0].reason
    store.update(1, lambda known: replace(known, expires=now))
    assert [one.outcome for one in collect(store, GcRequest(), go=scene.go(), tracker=Deaf())] == ["failed"]
    assert scene.records()[1].warned is None, "a warning that nobody read is none"


def test_collector_that_cannot_ask_github_ends_red(
    scene: SlotScene, sandbox: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.ensure(7)
    environ = commands_environment(scene, sandbox, tmp_path) | {
        "GITHUB_API_URL": f"{sandbox.github}/api/v3",
        "CODEXCTL_REPO": "acme/no-such",
        "CODEXCTL_GH_PAT": "ghp_thisTokenIsNoGood0000000000000000000",
    }
    assert main(["manage-env", "gc"], environ) == 1
    said = capsys.readouterr()
    assert "slot 1" in said.out and "401" in said.err and "CODEXCTL_GH_PAT" in said.err
    assert scene.records()[1].state is SlotState.LEASED


def test_record_that_cannot_be_read_holds_up_nobody_else_and_is_shown(
    scene: SlotScene, sandbox: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for issue in (7, 8, 9):
        scene.ensure(issue)
    broken = lease_ref(scene.namespace, slot_name(scene.project, "ai", 1))
    scene.cluster.patch(broken, {"metadata": {"annotations": {RECORD: "{{{"}}})
    assert gc(scene, Tracker(closed={7, 8})) == [(1, "failed"), (2, "freed")]
    assert scene.namespace_object(scene.namespace_of(1)) is not None
    assert scene.ensure(10).record.slot == 2
    with pytest.raises(UnreadableRecord, match=broken.name):
        scene.ensure(7)
    environ = commands_environment(scene, sandbox, tmp_path)
    for words in (["list"], ["list", "-o", "json"], ["gc"], ["cleanup", "--issue", "7"], ["cleanup", "--all"]):
        assert main(["manage-env", *words], environ) == 1
        said = capsys.readouterr()
        assert "issue-9" in said.out or "issue #9" in said.out or words[0] != "list"
        assert "unreadable" in said.out or words[0] != "list"
        assert broken.name in said.err and "repair its annotation" in said.err
    assert [(slot, record.free) for slot, record in scene.records().items()] == [(2, True), (3, True)]
    assert main(["manage-env", "cleanup", "--issue", "9"], environ) == 0


def test_dirty_slot_is_tried_again(scene: SlotScene) -> None:
    scene.ensure(7)
    scene.store().update(1, lambda known: replace(known, state=SlotState.DIRTY, reason="stuck"))
    assert gc(scene, Tracker()) == [(1, "freed")]


def test_agent_over_its_time_is_ended_with_its_pod_and_its_work_kept(scene: SlotScene) -> None:
    record = scene.ensure(7).record
    name, labels = {"name": "codex", "namespace": record.namespace}, {"app": "codex"}
    spec = {"containers": [{"name": "codex", "image": "registry.invalid/none"}], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": labels}, "spec": spec}
    scene.cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": name,
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
    )
    for pod in ("codex", "bystander"):
        meta = {"name": pod, "namespace": record.namespace, "labels": {"app": pod}}
        account = {"automountServiceAccountToken": False, "serviceAccountName": f"codexctl-deployer-{record.epoch}"}
        scene.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec | account})
    now = scene.cluster.now()
    store = scene.store()
    late = AgentRun("1.9", now - timedelta(minutes=1))
    store.update(1, lambda known: replace(known, agent=late))
    assert gc(scene, Tracker()) == [], "its own runner has the first word"
    late = replace(late, deadline=now - timedelta(minutes=10))
    store.update(1, lambda known: replace(known, agent=late))
    assert gc(scene, Tracker()) == [(1, "ended")]
    agent = scene.records()[1].agent
    assert agent and agent.ended and not agent.published
    left = [
        pod["metadata"]["name"]
        for pod in scene.cluster.list("v1", "Pod", record.namespace).items
        if not pod["metadata"].get("deletionTimestamp")
    ]
    assert left == ["bystander"]
