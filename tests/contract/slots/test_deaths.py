"""A run that dies at any of its calls, in a small size; `make soak` tries every call of every command."""

from __future__ import annotations

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations import slot_lock
from sandbox.faulty_proxy import FaultyProxy
from tests.support.slot_deaths import deaths_of_cleanup, deaths_of_ensure_slot
from tests.support.slot_scene import SlotScene


@pytest.fixture(autouse=True)
def _short_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_lock, "LOCK_SECONDS", 2)


def test_next_run_completes_what_a_dead_one_began(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    assert deaths_of_ensure_slot(scene, proxy, through, every=5) >= 4


def test_next_cleanup_completes_what_a_dead_one_began(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    assert deaths_of_cleanup(scene, proxy, through, 17, lambda s, c, slot: s.clean(slot, cluster=c)) >= 2
