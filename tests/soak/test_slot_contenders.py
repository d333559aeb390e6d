"""50 contenders for 10 slots, 200 seeds, on a real API server."""

from __future__ import annotations

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from tests.support.slot_contenders import Contest
from tests.support.slot_scene import SlotScene

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", range(200))
def test_fifty_contenders_for_ten_slots(scene: SlotScene, connection: Connection, seed: int) -> None:
    cluster = Cluster.open(connection, connections=128)
    contest = Contest(cluster, scene.namespace, scene.project, count=50, limit=10, seed=seed)
    contest.run()
    assert contest.faults == []
    assert contest.out_of_order() == []
    assert contest.requests / contest.count <= 4
    assert scene.store().view().claims == {}
