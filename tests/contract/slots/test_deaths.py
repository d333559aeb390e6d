"""A run that dies at any of its calls, in a small size; `make soak` tries every call of every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations import slot_lock
from sandbox.faulty_proxy import FaultyProxy
from sandbox.state import State
from tests.support.slot_deaths import (
    ReadyCommand,
    deaths_of_cleanup,
    deaths_of_ensure_ready,
    deaths_of_ensure_slot,
    kubeconfig_of,
)
from tests.support.slot_scene import SlotScene


@pytest.fixture(autouse=True)
def _short_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_lock, "LOCK_SECONDS", 2)


def test_next_run_completes_what_a_dead_one_began(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    assert deaths_of_ensure_slot(scene, proxy, through, every=5) >= 4


def test_next_cleanup_completes_what_a_dead_one_began(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    assert deaths_of_cleanup(scene, proxy, through, 41, lambda s, c, slot: s.clean(slot, cluster=c)) >= 2


def test_next_run_makes_ready_what_a_killed_one_began(
    scene: SlotScene, proxy: FaultyProxy, connection: Connection, sandbox: State, tmp_path: Path
) -> None:
    command = ReadyCommand.of(scene, sandbox, tmp_path)
    kubeconfig = kubeconfig_of(proxy, connection.token, tmp_path / "kubeconfig")
    assert deaths_of_ensure_ready(command, proxy, kubeconfig, every=63) >= 2
