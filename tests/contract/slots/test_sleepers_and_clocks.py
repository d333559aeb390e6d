"""Runs that slept, and runs whose clocks are wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.slots.records import SlotState
from codexctl_ci.stack.objects import Ref
from sandbox.state import State
from tests.support.slot_scene import SlotScene

SLEEPER = """
import sys
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
kubeconfig, namespace, project, epoch = sys.argv[1:]
cluster = Cluster.open(load_connection({}, kubeconfig=kubeconfig))
store = SlotStore(cluster, namespace, project, "ai")
try:
    with OperationLock(store, 1, what="apply", run="sleeper", epoch=int(epoch), seconds=2) as lock:
        slot = deployer(cluster, lock.record, lock.check)
        for number in range(10_000):
            meta = {"name": f"sleeper-{number}", "namespace": lock.record.namespace}
            slot.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
            print(number, flush=True)
except CodexctlError as error:
    print("refused:", type(error).__name__, getattr(error, "status", ""), flush=True)
    sys.exit(error.exit_code)
"""


def sleeper(sandbox: State, scene: SlotScene, epoch: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", SLEEPER, str(sandbox.kubeconfig), scene.namespace, scene.project, str(epoch)]
    root = Path(__file__).parents[3]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root)
    assert run.stdout is not None and run.stdout.readline().strip() == "0"
    return run


def names_in(scene: SlotScene, namespace: str) -> set[str]:
    found = {item["metadata"]["name"] for item in scene.cluster.list("v1", "ConfigMap", namespace).items}
    return {name for name in found if name.startswith("sleeper-")}


def test_run_that_slept_writes_nothing_into_a_slot_that_is_anothers_by_now(sandbox: State, scene: SlotScene) -> None:
    record = scene.ensure(7, limit=1).record
    run = sleeper(sandbox, scene, record.epoch)
    try:
        run.send_signal(signal.SIGSTOP)
        assert scene.clean(1).free
        owner = scene.ensure(8, limit=1).record
        assert owner.slot == 1 and owner.epoch > record.epoch
        run.send_signal(signal.SIGCONT)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 1 and said.strip().splitlines()[-1].startswith("refused:")
    assert names_in(scene, owner.namespace) == set()
    assert scene.store().read(1) == owner


def test_run_that_slept_beyond_its_lock_does_not_work_beside_the_next_one(sandbox: State, scene: SlotScene) -> None:
    from codexctl_ci.operations.slot_lock import OperationLock

    record = scene.ensure(7, limit=1).record
    run = sleeper(sandbox, scene, record.epoch)
    try:
        run.send_signal(signal.SIGSTOP)
        with OperationLock(scene.store(), 1, what="ensure-ready", run="next", epoch=record.epoch):
            before = names_in(scene, record.namespace)
            run.send_signal(signal.SIGCONT)
            said, _ = run.communicate(timeout=60)
            assert run.returncode == 1 and "refused: SlotMoved" in said
            # One write may have been checked already when the run was stopped; the next is checked anew.
            assert len(names_in(scene, record.namespace) - before) <= 1
    finally:
        run.kill()


@pytest.mark.parametrize("skew", [3600.0, -3600.0], ids=["ahead", "behind"])
def test_a_runners_clock_decides_nothing(scene: SlotScene, monkeypatch: pytest.MonkeyPatch, skew: float) -> None:
    """Expiry is the API server's time; a live lease isn't stolen and a dead one isn't kept by a wrong clock."""
    from codexctl_ci.operations.gc import GcRequest, collect

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    record = scene.ensure(7).record
    assert record.expires and abs((record.expires - scene.cluster.now()).total_seconds() - 24 * 3600) < 60
    assert collect(scene.store(), GcRequest(), go=scene.go()) == []
    assert scene.records()[1].state is SlotState.LEASED
    from dataclasses import replace

    now = scene.cluster.now()
    dead = scene.store().update(
        1, lambda known: replace(known, expires=now - timedelta(minutes=1), warned=now - timedelta(hours=2))
    )
    assert [one.outcome for one in collect(scene.store(), GcRequest(), go=scene.go())] == ["freed"]
    assert scene.cluster.get(Ref("v1", "Namespace", dead.namespace)) is None


def test_contenders_get_slots_in_the_order_they_came(scene: SlotScene) -> None:
    """Small; the soak has 50 for 10 with 200 seeds."""
    limit, issues = 2, range(11, 19)
    held = [scene.ensure(issue, limit=limit).record.slot for issue in (1, 2)]
    served: list[int] = []

    def contend(issue: int) -> None:
        ensured = scene.ensure(issue, limit=limit, patience=timedelta(seconds=120))
        served.append(issue)
        owners = [r.claim for r in scene.records().values() if r.state is SlotState.LEASED]
        assert len(owners) == len(set(owners)) <= limit
        scene.clean(ensured.record.slot)

    runs = [threading.Thread(target=contend, args=(issue,)) for issue in issues]
    for run in runs:
        run.start()
    claims = scene.wait_for_claims(*issues)
    for slot in held:
        scene.clean(slot)
    for run in runs:
        run.join(200)
    came = sorted(issues, key=lambda issue: (claims[issue].created or scene.cluster.now(), claims[issue].uid))
    assert sorted(served) == sorted(issues)
    # Two slots at a time: neighbours may change places, no more.
    assert all(abs(served.index(issue) - place) <= limit for place, issue in enumerate(came)), (served, came)
