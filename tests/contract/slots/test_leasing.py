"""One owner, in order, found again; beside the Go tool; nothing of anybody else's is touched."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from codexctl_ci.errors import ConfigError, NoFreeSlot, SlotMoved
from codexctl_ci.operations import lease_slot
from codexctl_ci.operations.cleanup import CleanupRequest, clean_slots
from codexctl_ci.operations.link_pull import link_pull
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_lock import OperationLock, SlotBusy
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.records import SlotState, cleaning
from codexctl_ci.stack.objects import Ref
from tests.support.slot_scene import PREFIX, SlotScene


def test_second_run_of_an_issue_finds_its_slot(scene: SlotScene) -> None:
    first, second = scene.ensure(7), scene.ensure(7)
    assert (first.record.slot, first.created, first.record.epoch) == (1, True, 1)
    assert (second.record.slot, second.created, second.recreated) == (1, False, False)
    assert scene.namespace_object(first.record.namespace)


def test_two_runs_of_one_issue_at_once_get_one_slot(scene: SlotScene) -> None:
    found: list[int] = []
    runs = [threading.Thread(target=lambda: found.append(scene.ensure(7).record.slot)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert found == [1, 1, 1, 1]
    assert [record.slot for record in scene.records().values() if not record.free] == [1]


def test_pull_request_linked_to_an_issue_finds_its_slot(scene: SlotScene) -> None:
    scene.ensure(7)
    link_pull(scene.store(), Claim("ai", "issue", 7), 12)
    assert scene.ensure(pr=12).record.slot == 1
    with pytest.raises(ConfigError, match="has slot 1"):
        scene.ensure(8)
        link_pull(scene.store(), Claim("ai", "issue", 8), 12)


def test_namespace_that_went_is_made_anew_and_said_so(scene: SlotScene) -> None:
    record = scene.ensure(7).record
    scene.cluster.delete(Ref("v1", "Namespace", record.namespace), uid=record.namespace_uid)
    again = scene.ensure(7)
    assert (again.created, again.recreated, again.record.slot) == (False, True, 1)
    assert again.record.namespace_uid != record.namespace_uid


def test_explicit_slot_never_falls_through(scene: SlotScene) -> None:
    scene.ensure(7)
    with pytest.raises(NoFreeSlot, match=r"slot 1: leased, issue #7"):
        scene.ensure(8, wanted=1, patience=timedelta(seconds=1))
    assert scene.ensure(8, wanted=3).record.slot == 3
    with pytest.raises(ConfigError, match="has slot 3, not slot 2"):
        scene.ensure(8, wanted=2)


def test_namespace_of_somebody_else_is_neither_used_nor_deleted(scene: SlotScene) -> None:
    name = scene.namespace_of(1)
    made = scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert scene.ensure(7).record.slot == 2
    assert scene.records()[1].state is SlotState.DIRTY
    assert scene.clean(1).state is SlotState.DIRTY
    found = scene.namespace_object(name)
    assert found and found["metadata"]["uid"] == made["metadata"]["uid"]
    assert not found["metadata"].get("deletionTimestamp")


def test_waiting_claim_takes_a_freed_slot_at_once(scene: SlotScene) -> None:
    scene.ensure(1, limit=1)
    done: list[float] = []

    def wait() -> None:
        scene.ensure(2, limit=1)
        done.append(time.monotonic())

    waiter = threading.Thread(target=wait)
    waiter.start()
    scene.wait_for_claims(2)
    scene.clean(1)
    freed = time.monotonic()
    waiter.join(20)
    assert done and done[0] - freed < 2.0


def test_timeout_lists_who_holds_what_and_leaves_the_queue(scene: SlotScene) -> None:
    scene.ensure(1, limit=1)
    with pytest.raises(NoFreeSlot, match=r"slot 1: leased, issue #1 for .*run run-1") as caught:
        scene.ensure(2, limit=1, patience=timedelta(seconds=1))
    assert caught.value.exit_code == 4
    assert set(scene.store().view().claims) == {"ai/issue-1"}


def test_interrupted_run_gives_its_place_back(scene: SlotScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.ensure(1, limit=1)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lease_slot._Run, "_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scene.ensure(2, limit=1)
    assert set(scene.store().view().claims) == {"ai/issue-1"}


def test_killed_waiter_is_buried_by_those_behind_it(scene: SlotScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_slot, "STALE", timedelta(seconds=2))
    monkeypatch.setattr(lease_slot, "HEARTBEAT", timedelta(seconds=0.5))
    scene.ensure(1, limit=1)
    from codexctl_ci.slots.records import ClaimRecord

    scene.store().create_claim(ClaimRecord(Claim("ai", "issue", 2), holder="killed", renewed=scene.cluster.now()))
    cleaner = threading.Timer(0.5, scene.clean, [1])
    cleaner.start()
    assert scene.ensure(3, limit=1).record.slot == 1
    cleaner.join()
    assert "ai/issue-2" not in scene.store().view().claims


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_waiting_run_goes_on_with_a_cleanup_that_died(
    scene: SlotScene, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(lease_slot, "HEARTBEAT", timedelta(seconds=0.5))
    old = scene.ensure(7, limit=1).record
    store = scene.store()
    dead = OperationLock(store, 1, what="cleanup", run="9", seconds=2)
    dead._acquire()
    dead.update(lambda known: cleaning(known, "issue #7 is closed"))
    if how == "interrupted":
        dead.__exit__(None, None, None)
    began = time.monotonic()
    new = scene.ensure(8, limit=1)
    assert (new.record.slot, new.record.claim) == (1, "ai/issue-8")
    assert new.record.namespace_uid != old.namespace_uid
    assert how == "interrupted" or time.monotonic() - began >= 2
    with pytest.raises(SlotMoved):
        dead._beat()


def test_waiting_run_leaves_a_cleanup_alone_that_lives(scene: SlotScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_slot, "HEARTBEAT", timedelta(seconds=0.5))
    scene.ensure(7, limit=1)
    with OperationLock(scene.store(), 1, what="cleanup", run="9", seconds=3) as living:
        living.update(lambda known: cleaning(known, "issue #7 is closed"))
        with pytest.raises(NoFreeSlot):
            scene.ensure(8, limit=1, patience=timedelta(seconds=5))
        living._beat()
    assert scene.namespace_object(scene.namespace_of(1)) is not None


def test_run_with_an_older_epoch_is_refused(scene: SlotScene) -> None:
    epoch = scene.ensure(7).record.epoch
    assert scene.ensure(7, epoch=epoch).record.epoch == epoch
    scene.clean(1)
    with pytest.raises(SlotMoved, match="re-run all jobs"):
        scene.ensure(7, epoch=epoch)
    # As the deploy of a later attempt does, to which the slot's job was not run again.
    assert scene.ensure(7).record.epoch > epoch
    with pytest.raises(SlotMoved):
        scene.ensure(7, epoch=epoch)


def test_two_commands_never_work_on_a_slot_at_once(scene: SlotScene) -> None:
    scene.ensure(7)
    store = scene.store()
    second = OperationLock(store, 1, what="cleanup", patience=timedelta(seconds=0.3))
    with OperationLock(store, 1, what="apply", run="9"), pytest.raises(SlotBusy, match="apply of run 9"):
        second.__enter__()
    with OperationLock(store, 1, what="cleanup", patience=timedelta(seconds=0.3)) as lock:
        assert lock.record.lock


def test_lock_of_a_dead_run_is_taken_over_after_its_time(scene: SlotScene) -> None:
    scene.ensure(7)
    store = scene.store()
    dead = OperationLock(store, 1, what="apply", run="9", seconds=2)
    dead._acquire()
    began = time.monotonic()
    with OperationLock(store, 1, what="cleanup"):
        assert time.monotonic() - began >= 2
    with pytest.raises(SlotMoved):
        dead._beat()


def test_deployers_token_dies_with_the_namespace_and_opens_no_other(scene: SlotScene) -> None:
    from codexctl_ci.errors import ApiError

    record, other = scene.ensure(7).record, scene.ensure(8).record
    inside = deployer(scene.cluster, record)
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": record.namespace}}
    inside.create(thing)
    own = inside._for(record.namespace)  # type: ignore[attr-defined]
    with pytest.raises(ApiError) as denied:
        own.create({**thing, "metadata": {"name": "x", "namespace": other.namespace}})
    assert denied.value.status == 403
    scene.clean(1)
    scene.ensure(7)
    with pytest.raises(ApiError) as refused:
        inside.create(thing)
    assert refused.value.status in (401, 403)


def test_slot_stuck_on_a_finalizer_is_dirty_with_the_reason_and_holds_up_nobody(scene: SlotScene) -> None:
    record = scene.ensure(7).record
    scene.ensure(8)
    ref = Ref("v1", "ConfigMap", "stuck", record.namespace)
    meta = {"name": "stuck", "namespace": record.namespace, "finalizers": ["example.com/hold"]}
    scene.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    done = clean_slots(
        scene.store(),
        [record for _, record in sorted(scene.records().items())],
        CleanupRequest("closed", deletion=timedelta(seconds=8)),
        go=scene.go(),
    )
    assert [one.outcome for one in done] == ["dirty", "freed"]
    assert "ConfigMap/stuck has finalizer example.com/hold" in done[0].reason
    assert scene.ensure(7).record.slot == 2
    scene.cluster.patch(ref, {"metadata": {"finalizers": None}})
    assert scene.clean(1).free


def test_slot_of_the_go_tool_is_adopted_when_it_is_ours_and_respected_when_not(scene: SlotScene) -> None:
    own = scene.namespace_of(9)
    scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}})
    scene.go_config_map(1, issue="5", namespace="elsewhere")
    scene.go_config_map(2, issue="7", namespace=own)
    assert scene.ensure(8).record.slot == 3
    ensured = scene.ensure(7)
    assert (ensured.record.slot, ensured.record.namespace, ensured.created) == (2, own, False)
    assert scene.ensure(7).record.slot == 2
    assert scene.clean(2).free
    names = {item["metadata"]["name"] for item in scene.cluster.list("v1", "ConfigMap", scene.namespace).items}
    assert {f"{PREFIX}1", f"{PREFIX}3"} <= names and f"{PREFIX}2" not in names
    assert scene.namespace_object(own) is None


def test_our_slot_looks_taken_to_the_go_tool(scene: SlotScene) -> None:
    record = scene.ensure(7).record
    found = scene.cluster.get(Ref("v1", "ConfigMap", f"{PREFIX}1", scene.namespace))
    assert found
    data = found["data"]
    assert (data["slot"], data["env"], data["namespace"], data["issue"], data["pr"]) == (
        "1", "ai", record.namespace, "7", "",
    )  # fmt: skip
    assert data["owner"] == "run-7" and data["createdAt"].endswith("Z")


def test_unpublished_work_and_running_agents_keep_a_slot(scene: SlotScene) -> None:
    from dataclasses import replace

    from codexctl_ci.slots.records import AgentRun

    record = scene.ensure(7).record
    later = scene.cluster.now() + timedelta(minutes=5)
    for agent, why in (
        (AgentRun("1.9", later), "an agent works in it"),
        (AgentRun("1.9", later, ended=True), "not published"),
    ):
        with_agent = scene.store().update(1, lambda known, run=agent: replace(known, agent=run))  # type: ignore[misc]
        done = clean_slots(scene.store(), [with_agent], CleanupRequest("failed"), go=scene.go())
        assert (done[0].outcome, why in done[0].reason) == ("kept", True)
    assert scene.namespace_object(record.namespace)
    done = clean_slots(scene.store(), [with_agent], CleanupRequest("closed", force=True), go=scene.go())
    assert done[0].outcome == "freed"
