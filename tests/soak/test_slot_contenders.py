"""50 contenders for 10 slots, 200 seeds, on a real API server."""

from __future__ import annotations

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from tests.support.slot_contenders import Contest
from tests.support.slot_scene import SlotScene

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


SEEDS = 200
USED: list[float] = []


@pytest.mark.parametrize("seed", range(SEEDS))
def test_fifty_contenders_for_ten_slots(scene: SlotScene, connection: Connection, seed: int) -> None:
    cluster = Cluster.open(connection, connections=128)
    contest = Contest(cluster, scene.namespace, scene.project, count=50, limit=10, seed=seed)
    contest.run()
    assert contest.faults == []
    assert contest.out_of_order() == []
    USED.append(contest.requests / contest.count)
    assert USED[-1] <= 4.5
    assert len(USED) < SEEDS or sum(USED) / len(USED) <= 4
    assert scene.store().view().claims == {}
