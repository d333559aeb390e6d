"""Killing a run before and after each of its calls, found by counting them in a run that lives."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from codexctl_ci import process
from codexctl_ci.errors import CodexctlError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.stack.objects import Ref
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.manifest import tree_id
from codexctl_ci.workspace.sync_pod import sync_pod
from codexctl_ci.workspace.volume import VolumeTree
from sandbox.faulty_proxy import Call, FaultyProxy, Request
from sandbox.state import State
from tests.support.projects import write_files
from tests.support.slot_scene import PREFIX, SlotScene

STACK = {
    "services.yaml": """
    project: PROJECT
    namespace: {patterns: {ai-staging: RECORDS}}
    maxSlots: 999
    infrastructure:
      - name: storage
        manifests: [{path: storage.yaml}]
      - name: settings
        manifests: [{path: settings.yaml}]
    """,
    "storage.yaml": """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: PROJECT-workspace}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
    """,
    "settings.yaml": """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings}
    """,
    "app/a.txt": "one\n",
}
# A lock that is quick to go stale, so that nobody waits a minute for a dead run's.
QUICK_COMMAND = """
import os, sys
from codexctl_ci.operations import slot_lock
slot_lock.LOCK_SECONDS = 2
from codexctl_ci.cli.main import main
sys.exit(main(sys.argv[1:], os.environ))
"""


def positions(count: int, every: int) -> Iterator[tuple[int, bool]]:
    """Call numbers with both sides of each, or one of every so many, from the middle of each such stretch."""
    for place in range(every // 2, 2 * count, every):
        yield place // 2 + 1, bool(place % 2)


def killed(proxy: FaultyProxy, number: int, after: bool, run: Callable[[], object]) -> None:
    """Do ``run`` with its death at call ``number``; then the API is reachable again."""
    proxy.revive()
    proxy.die_at(number, after=after)
    with contextlib.suppress(CodexctlError):
        run()
    proxy.revive()


def count_calls(proxy: FaultyProxy, run: Callable[[], object]) -> int:
    """How many calls ``run`` makes when nothing disturbs it."""
    proxy.revive()
    run()
    return len(proxy.seen)


def require_whole(scene: SlotScene, issue: int) -> int:
    """The issue has exactly one slot with all that belongs to it; the slot's number."""
    records = [record for record in scene.records().values() if record.issue == issue and not record.free]
    assert len(records) == 1, records
    record = records[0]
    namespace = scene.namespace_object(record.namespace)
    assert namespace and namespace["metadata"]["uid"] == record.namespace_uid
    account = f"codexctl-deployer-{record.epoch}"
    assert scene.cluster.get(Ref("v1", "ServiceAccount", account, record.namespace))
    assert scene.cluster.get(Ref("rbac.authorization.k8s.io/v1", "RoleBinding", account, record.namespace))
    shown = scene.cluster.get(Ref("v1", "ConfigMap", f"{PREFIX}{record.slot}", scene.namespace))
    assert shown and shown["data"]["issue"] == str(issue)
    return record.slot


def require_gone(scene: SlotScene, slot: int, issue: int) -> None:
    """Nothing of the issue and of its slot is left."""
    record = scene.records()[slot]
    assert record.free and record.lock is None, record
    assert scene.namespace_object(record.namespace) is None
    assert f"ai/issue-{issue}" not in scene.store().view().claims
    assert scene.cluster.get(Ref("v1", "ConfigMap", f"{PREFIX}{slot}", scene.namespace)) is None


def deaths_of_ensure_slot(scene: SlotScene, proxy: FaultyProxy, through: Cluster, every: int) -> int:
    """The next run of the claim ends right, wherever the one before died; how many deaths were tried."""
    scene.limit = 0
    other = scene.ensure(1).record
    count = count_calls(proxy, lambda: scene.ensure(2, cluster=through))
    tried = 0
    for issue, (number, after) in enumerate(positions(count, every), 10):
        killed(proxy, number, after, lambda issue=issue: scene.ensure(issue, cluster=through))  # type: ignore[misc]
        scene.ensure(issue)
        require_whole(scene, issue)
        tried += 1
    assert scene.store().read(other.slot) == other
    assert not scene.strange_namespaces()
    claims = scene.store().view().claims
    owners = {record.claim for record in scene.records().values() if not record.free}
    assert set(claims) == owners
    return tried


def deaths_of_cleanup(
    scene: SlotScene,
    proxy: FaultyProxy,
    through: Cluster,
    every: int,
    clean: Callable[[SlotScene, Cluster, int], object],
) -> int:
    """The next clean-up frees the slot, wherever the one before died."""
    scene.limit = 0
    other = scene.ensure(1).record
    first = scene.ensure(2).record.slot
    count = count_calls(proxy, lambda: clean(scene, through, first))
    require_gone(scene, first, 2)
    tried = 0
    for issue, (number, after) in enumerate(positions(count, every), 10):
        slot = scene.ensure(issue).record.slot
        killed(proxy, number, after, lambda slot=slot: clean(scene, through, slot))  # type: ignore[misc]
        clean(scene, scene.cluster, slot)
        require_gone(scene, slot, issue)
        tried += 1
    assert scene.store().read(other.slot) == other
    assert not scene.strange_namespaces()
    return tried


@dataclass
class ReadyCommand:
    """``ci ensure-ready`` on a project of the scene's, as a process of its own."""

    scene: SlotScene
    sandbox: State
    root: Path

    @classmethod
    def of(cls, scene: SlotScene, sandbox: State, folder: Path) -> ReadyCommand:
        """The project in a checkout below ``folder``."""
        made = cls(scene, sandbox, folder / "checkout")
        files = {}
        for path, text in STACK.items():
            files[path] = text.replace("PROJECT", scene.project).replace("RECORDS", scene.namespace)
        write_files(made.root, files)
        who = ("-c", "user.name=x", "-c", "user.email=x@y")
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
            subprocess.run(["git", *who, *words], cwd=made.root, check=True)
        return made

    def start(self, issue: int, kubeconfig: Path) -> subprocess.Popen[str]:
        words = ["ci", "ensure-ready", "--env", "ai", "--issue", str(issue), "--apply"]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root.parent),
            "KUBECONFIG": str(kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "CODEXCTL_SOURCE": str(self.root),
            "CODEXCTL_SYNC_IMAGE": f"{self.sandbox.registry}/library/busybox:1.37.0",
        }
        command = [sys.executable, "-c", QUICK_COMMAND, *words]
        return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish(self, issue: int) -> None:
        """A run that nothing disturbs; it must end well."""
        run = self.start(issue, self.sandbox.kubeconfig)
        _, said = run.communicate(timeout=120)
        assert run.returncode == 0, said

    def require_ready(self, issue: int) -> None:
        """Slot, sources and stack of the issue are there, and nothing else of the runs that died is."""
        slot = require_whole(self.scene, issue)
        record = self.scene.records()[slot]
        assert record.lock is None and record.prepared.healthy and record.prepared.stack
        cluster, namespace = self.scene.cluster, record.namespace
        assert cluster.get(Ref("v1", "ConfigMap", "settings", namespace))
        wanted = Checkout(self.root, process.run, os.environ).manifest
        assert record.tree.synced == tree_id(wanted)
        image = f"{self.sandbox.registry}/library/busybox:1.37.0"
        with sync_pod(cluster, namespace, f"{self.scene.project}-workspace", image, name="look") as pod:
            assert VolumeTree(pod, PurePosixPath("codex/envs", str(slot))).measure() == wanted
            assert (
                pod.run('ls -A "$1/state" | grep -v -e manifest -e rules -e tree || true', f"/volume/codex/envs/{slot}")
                == b""
            )
        left = [
            item for item in cluster.list("v1", "Pod", namespace).items if not item["metadata"].get("deletionTimestamp")
        ]
        assert left == []


def kubeconfig_of(proxy: FaultyProxy, token: str, file: Path) -> Path:
    """A way to the API through the proxy."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": proxy.url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(yaml.safe_dump(config))
    return file


def deaths_of_ensure_ready(command: ReadyCommand, proxy: FaultyProxy, kubeconfig: Path, every: int) -> int:
    """The next run makes all ready, wherever SIGKILL met the one before; how many deaths were tried."""
    scene = command.scene
    other = scene.ensure(1).record
    proxy.revive()
    run = command.start(2, kubeconfig)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    command.require_ready(2)
    died = 0
    for issue, (number, after) in enumerate(positions(len(proxy.seen), every), 10):
        proxy.clear()
        pids: list[int] = []

        def kill(request: Request, number: int = number, pids: list[int] = pids) -> None:
            if request.number == number:
                os.kill(pids[0], 9)

        proxy.on(Call(kill, after=after), times=None)
        run = command.start(issue, kubeconfig)
        pids.append(run.pid)
        run.communicate(timeout=120)
        died += run.returncode == -9
        command.finish(issue)
        command.require_ready(issue)
    assert scene.store().read(other.slot) == other
    assert not scene.strange_namespaces()
    assert set(scene.store().view().claims) == {record.claim for record in scene.records().values() if not record.free}
    return died
