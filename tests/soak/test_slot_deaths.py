"""A run that dies before and after every call of ensure-slot, ensure-ready, cleanup and gc."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations import slot_lock
from codexctl_ci.operations.gc import GcRequest, collect
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

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


class ClosedBut:
    """A tracker where all issues but the first are closed."""

    def issue_state(self, number: int) -> str:
        return "open" if number == 1 else "closed"

    def pull_state(self, number: int) -> str:
        return "open"

    def comment(self, number: int, topic: str, body: str) -> None:
        raise AssertionError("nobody is to be warned")


@pytest.fixture(autouse=True)
def _short_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_lock, "LOCK_SECONDS", 2)


def test_ensure_slot(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    deaths_of_ensure_slot(scene, proxy, through, every=1)


def test_ensure_ready(
    scene: SlotScene, proxy: FaultyProxy, connection: Connection, sandbox: State, tmp_path: Path
) -> None:
    command = ReadyCommand.of(scene, sandbox, tmp_path)
    kubeconfig = kubeconfig_of(proxy, connection.token, tmp_path / "kubeconfig")
    deaths_of_ensure_ready(command, proxy, kubeconfig, every=1)


def test_cleanup(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    deaths_of_cleanup(scene, proxy, through, 1, lambda s, c, slot: s.clean(slot, cluster=c))


def test_gc(scene: SlotScene, proxy: FaultyProxy, through: Cluster) -> None:
    def gc(where: SlotScene, cluster: Cluster, slot: int) -> None:
        collect(where.store(cluster), GcRequest(), go=where.go(cluster), tracker=ClosedBut())

    deaths_of_cleanup(scene, proxy, through, 1, gc)
