"""Contenders in a small size; `make soak` runs 50 for 10 slots with 200 seeds."""

from __future__ import annotations

import pytest

from codexctl_ci.kube.client import Cluster
from tests.support.slot_contenders import Contest
from tests.support.slot_scene import SlotScene


@pytest.mark.parametrize("seed", range(2))
def test_no_slot_has_two_owners_and_first_come_is_first_served(scene: SlotScene, cluster: Cluster, seed: int) -> None:
    contest = Contest(cluster, scene.namespace, scene.project, count=12, limit=3, seed=seed)
    contest.run()
    assert contest.faults == []
    assert contest.out_of_order() == []
    assert contest.requests / contest.count <= 4.5
    assert scene.store().view().claims == {}
