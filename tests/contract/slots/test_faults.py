"""Faults of the API while a slot is leased, used and torn down."""

from __future__ import annotations

import pytest

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.client import Cluster
from sandbox.faulty_proxy import Action, Delay, EventGone, FaultyProxy, Refuse, Reset
from tests.support.slot_deaths import require_gone, require_whole
from tests.support.slot_scene import SlotScene

WRITES = "POST|PUT|PATCH|DELETE"


@pytest.mark.parametrize(
    ("action", "method", "times"),
    [
        (Refuse(429, retry_after=0), "", 1),
        (Refuse(500), "", 1),
        (Reset(), "", 2),
        (Reset(after=True), WRITES, 1),
        (Reset(after=True), "POST", 2),
        (Reset(after=True), "PUT", 2),
        (Delay(0.02), "", None),
    ],
    ids=str,
)
def test_passing_faults_change_nothing_in_what_comes_of_it(
    scene: SlotScene, proxy: FaultyProxy, through: Cluster, action: Action, method: str, times: int | None
) -> None:
    proxy.on(action, method=method, path="/api", times=times)
    slot = scene.ensure(7, cluster=through).record.slot
    proxy.on(action, method=method, path="/leases", times=times)
    assert scene.ensure(7, cluster=through).record.slot == slot == require_whole(scene, 7)
    proxy.on(action, method=method, path="/namespaces", times=times)
    assert scene.clean(slot, cluster=through).free
    require_gone(scene, slot, 7)


def test_lost_history_of_the_watch_is_survived(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    proxy.on(EventGone(after=0), query="watch=1")
    assert scene.ensure(7, cluster=through).record.slot == 1


def test_fault_that_is_no_conflict_is_an_error_and_not_taken(
    scene: SlotScene, proxy: FaultyProxy, through: Cluster
) -> None:
    proxy.on(Refuse(403), method="POST|PUT", path="/leases", times=None)
    with pytest.raises(ApiError) as denied:
        scene.ensure(7, cluster=through)
    assert denied.value.status == 403
    assert scene.records() == {} and scene.store().view().claims == {}
