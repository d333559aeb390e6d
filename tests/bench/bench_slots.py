"""Slots: finding one, leasing one, and being the next when one becomes free."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from sandbox.state import VARIABLE, read_state
from tests.bench.rows import Row, run
from tests.support.slot_scene import SlotScene

_TIMES = 7
_ROOT = Path(__file__).parents[2]


def rows() -> Iterator[Row]:
    """Whole processes for what a workflow starts, threads for what waits."""
    state = read_state(Path(os.environ[VARIABLE]))
    cluster = Cluster.open(load_connection({}, kubeconfig=str(state.kubeconfig)))
    tag = uuid.uuid4().hex[:8]
    scene = SlotScene(cluster, f"records-{tag}", f"p{tag}")
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": scene.namespace}})
    try:
        with TemporaryDirectory() as scratch:
            yield from _commands(scene, Path(scratch), state.kubeconfig)
        yield _handover(scene)
    finally:
        scene.end()


def _commands(scene: SlotScene, folder: Path, kubeconfig: Path) -> Iterator[Row]:
    services = f"project: {scene.project}\nstate: {{configmapNamespace: {scene.namespace}}}\n"
    (folder / "services.yaml").write_text(services)
    environ = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "KUBECONFIG": str(kubeconfig),
        "PYTHONPATH": str(_ROOT),
    }

    def ensure(issue: int) -> float:
        scene.namespace_of(issue)
        words = [sys.executable, "-m", "codexctl_ci", "ci", "ensure-slot", "--issue", str(issue)]
        return run(words, environ, cwd=folder).seconds

    ensure(1)
    bare = statistics.median(run([sys.executable, "-c", "pass"], environ).seconds for _ in range(_TIMES))
    fresh = statistics.median([ensure(issue) for issue in range(2, 2 + _TIMES)])
    found = statistics.median([ensure(1) for _ in range(_TIMES)])
    yield Row("ensure-slot that finds its slot, whole process", found, bare, 0.6, "s")
    yield Row("ensure-slot with a fresh lease and namespace, whole process", fresh, bare, 1.0, "s")


def _handover(scene: SlotScene) -> Row:
    """From the moment a slot is free to the moment that the claim which waited for it has it."""
    delays = []
    scene.env = "ai"
    limit = max(scene.records()) + 1
    for issue in range(100, 200 - 1)[: limit - len(scene.records())]:
        scene.ensure(issue, limit=limit)
    for issue in range(200, 200 + 3):
        took: list[float] = []

        def wait(issue: int = issue, took: list[float] = took) -> None:
            scene.ensure(issue, limit=limit)
            took.append(time.monotonic())

        waiter = threading.Thread(target=wait)
        waiter.start()
        scene.wait_for_claims(issue)
        scene.clean(min(slot for slot, record in scene.records().items() if not record.free))
        freed = time.monotonic()
        waiter.join()
        delays.append(took[0] - freed)
    return Row("slot free → the next claim has it, with its namespace", statistics.median(delays), 0.0, 0.5, "s")
