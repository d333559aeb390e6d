"""Sources into a slot's volume that the runner has mounted too: whole commands, on the cluster's host-path volumes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.kube.connection import Connection
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.slots.records import AgentRun, SlotRecord, SlotState, SourceTree
from codexctl_ci.stack.objects import Ref
from sandbox.faulty_proxy import Call, FaultyProxy, Request
from sandbox.state import State
from tests.contract.workspace.test_sync import git
from tests.support.projects import write_files
from tests.support.slot_deaths import QUICK_COMMAND, kubeconfig_of
from tests.support.slot_fixtures import cluster, connection, proxy, scene
from tests.support.slot_scene import SlotScene

__all__ = ["cluster", "connection", "proxy", "scene"]

STRAIGHT, POD = "copying straight", "copying through a pod"
FILES = {
    "services.yaml": """
    project: PROJECT
    namespace: {patterns: {ai-staging: RECORDS}}
    maxSlots: 3
    infrastructure:
      - name: storage
        manifests: [{path: storage.yaml}]
    """,
    "storage.yaml": """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: PROJECT-workspace}
    spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Mi}}}
    """,
    "app/a.txt": "one\n",
    ".gitignore": "*.log\n",
}


@dataclass
class Desk:
    """A checkout, and the slot of issue 7."""

    scene: SlotScene
    root: Path
    state: State
    said: pytest.CaptureFixture[str]

    def environ(self, mount: Path | None = None) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root.parent),
            "KUBECONFIG": str(self.state.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "CODEXCTL_SOURCE": str(self.root),
            "CODEXCTL_SYNC_IMAGE": f"{self.state.registry}/library/busybox:1.37.0",
            "CODEXCTL_WORKSPACE_MOUNT": str(mount or self.root / "none"),
        }

    def run(self, *words: str, mount: Path | None = None, code: int = 0) -> str:
        """What the command logged; it must end with ``code``."""
        self.said.readouterr()
        ended = main([*words, "--env", "ai", "--issue", "7"], self.environ(mount))
        told = self.said.readouterr().err
        assert ended == code, told
        return told

    def sync(self, mount: Path | None, code: int = 0) -> str:
        return self.run("ci", "sync-sources", mount=mount, code=code)

    def commit(self, text: str) -> None:
        (self.root / "app" / "a.txt").write_text(text)
        git(self.root, "commit", "-qam", text)

    @property
    def record(self) -> SlotRecord:
        return self.scene.records()[1]

    def volume(self) -> Path:
        """Where the slot's volume lies on its node, which is this machine."""
        claim = Ref("v1", "PersistentVolumeClaim", f"{self.scene.project}-workspace", self.record.namespace)
        bound = self.scene.cluster.get(claim)
        assert bound is not None
        found = self.scene.cluster.get(Ref("v1", "PersistentVolume", bound["spec"]["volumeName"]))
        assert found is not None
        return Path(found["spec"]["hostPath"]["path"])


@pytest.fixture
def desk(scene: SlotScene, sandbox: State, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    root = tmp_path / "checkout"
    names = (("PROJECT", scene.project), ("RECORDS", scene.namespace))
    filled = dict(FILES)
    for word, name in names:
        filled = {path: text.replace(word, name) for path, text in filled.items()}
    write_files(root, filled)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    scene.namespace_of(1)
    yield Desk(scene, root, sandbox, capfd)


def test_mount_is_used_until_an_agent_was_there_and_only_the_very_same_one(desk: Desk, tmp_path: Path) -> None:
    assert STRAIGHT not in desk.run("ci", "ensure-ready")
    volume = desk.volume()
    tree = volume / "codex" / "envs" / "1" / "src"
    assert (tree / "app" / "a.txt").read_text() == "one\n"

    desk.commit("two\n")
    assert STRAIGHT in desk.sync(volume)
    assert (tree / "app" / "a.txt").read_text() == "two\n"
    assert desk.record.tree.base == git(desk.root, "rev-parse", "HEAD") == git(tree, "rev-parse", "HEAD")
    assert "nothing to copy" in desk.sync(volume)

    other = tmp_path / "other"
    other.mkdir()
    desk.commit("three\n")
    assert POD in desk.sync(other)
    assert (tree / "app" / "a.txt").read_text() == "three\n" and not list(other.iterdir())

    # An agent ran, and what it did is published: the tree may move on, but through a pod alone.
    later = desk.scene.cluster.now() + timedelta(minutes=5)
    agent = AgentRun("1-7", later, ended=True, published=True)
    desk.scene.store().update(1, lambda known: replace(known, agent=agent, tree=replace(known.tree, touched=True)))
    desk.commit("four\n")
    told = desk.sync(volume)
    assert STRAIGHT not in told and POD not in told and "1 files copied" in told
    assert (tree / "app" / "a.txt").read_text() == "four\n"
    # The next sync finds a tree that is not touched any more, in a slot that an agent has worked in.
    assert not desk.record.tree.touched
    desk.commit("five\n")
    assert STRAIGHT not in desk.sync(volume)


def test_work_by_hand_is_neither_overwritten_nor_torn_down(desk: Desk) -> None:
    desk.run("ci", "ensure-ready")
    volume = desk.volume()
    tree = volume / "codex" / "envs" / "1" / "src"
    (tree / "app" / "a.txt").write_text("by hand\n")
    (tree / "app" / "new").write_text("by hand\n")
    (tree / "app" / "x.log").write_text("ignored\n")
    desk.commit("two\n")
    for mount in (None, volume):
        told = desk.sync(mount, code=1)
        assert (STRAIGHT in told) == (mount is not None)
        assert "changed  app/a.txt" in told and "new      app/new" in told and "x.log" not in told
    desk.run("manage-env", "cleanup")
    assert desk.record.state is SlotState.LEASED
    assert (tree / "app" / "a.txt").read_text() == "by hand\n"
    (tree / "app" / "a.txt").write_text("one\n")
    (tree / "app" / "new").unlink()
    assert "1 files copied" in desk.sync(volume)
    desk.run("manage-env", "cleanup")
    assert desk.record.free


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "pod"])
def test_run_that_slept_writes_no_sources_into_a_slot_that_moved_on(
    desk: Desk, proxy: FaultyProxy, connection: Connection, tmp_path: Path, mounted: bool
) -> None:
    desk.run("ci", "ensure-ready")
    volume = desk.volume()
    tree = volume / "codex" / "envs" / "1" / "src"
    desk.commit("two\n")
    runs: list[subprocess.Popen[str]] = []

    def sleep(request: Request) -> None:
        """Until another run has had the slot, right after the record was told that writing begins."""
        if not re.search(rb'synced\\": ?\\"\\"', request.body) or taken:
            return
        runs[0].send_signal(signal.SIGSTOP)
        with OperationLock(desk.scene.store(), 1, what="apply", run="next") as lock:
            taken.append(lock.record)
        runs[0].send_signal(signal.SIGCONT)

    taken: list[SlotRecord] = []
    proxy.on(Call(sleep, after=True), method="PUT", path="/leases/", times=None)
    environ = desk.environ(volume if mounted else None)
    environ["KUBECONFIG"] = str(kubeconfig_of(proxy, connection.token, tmp_path / "kubeconfig"))
    words = ["ci", "sync-sources", "--env", "ai", "--issue", "7"]
    run = subprocess.Popen(
        [sys.executable, "-c", QUICK_COMMAND, *words], env=environ, stderr=subprocess.PIPE, text=True
    )
    runs.append(run)
    try:
        _, said = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 1 and "another run took the slot over" in said, said
    assert taken and (STRAIGHT in said) == mounted
    assert (tree / "app" / "a.txt").read_text() == "one\n"
    # Whoever comes next finds a tree that nobody stands for, and makes it whole.
    assert not desk.record.tree.synced
    desk.sync(None)
    assert (tree / "app" / "a.txt").read_text() == "two\n"


def test_files_that_no_repository_holds_stop_a_sync_until_they_are_given_up(desk: Desk) -> None:
    desk.run("ci", "ensure-ready")
    tree = desk.volume() / "codex" / "envs" / "1" / "src"
    desk.commit("two\n")
    os.mkfifo(tree / "app" / "pipe")
    assert "--discard-changes" in desk.sync(None, code=6)
    (tree / "new\nline").mkdir()
    assert "--discard-changes" in desk.sync(None, code=6)
    assert (tree / "app" / "a.txt").read_text() == "one\n"
    desk.run("ci", "sync-sources", "--discard-changes")
    assert sorted(path.name for path in tree.rglob("*") if ".git" not in path.parts) == sorted(
        [".gitignore", "a.txt", "app", "services.yaml", "storage.yaml"]
    )
    assert (tree / "app" / "a.txt").read_text() == "two\n"


def test_checkout_with_a_newline_in_a_name_is_refused_before_anything_is_copied(desk: Desk) -> None:
    desk.run("ci", "ensure-ready")
    tree = desk.volume() / "codex" / "envs" / "1" / "src"
    (desk.root / "new\nline").write_text("x")
    git(desk.root, "add", "-A")
    desk.commit("two\n")
    assert r"'new\nline'" in desk.sync(None, code=2)
    assert (tree / "app" / "a.txt").read_text() == "one\n"
    git(desk.root, "rm", "-q", "new\nline")
    desk.commit("three\n")
    desk.sync(None)
    assert (tree / "app" / "a.txt").read_text() == "three\n"


def test_tree_that_another_life_of_the_slot_left_is_first_seen_through_a_pod(desk: Desk) -> None:
    desk.run("ci", "ensure-ready")
    volume = desk.volume()
    place = volume / "codex" / "envs" / "1"
    note = json.loads((place / "state" / "tree").read_text())
    (place / "state" / "tree").write_text(json.dumps(note | {"owner": "another life"}))
    (place / "src" / "left over").write_text("x")
    desk.scene.store().update(1, lambda known: replace(known, tree=SourceTree()))
    assert STRAIGHT not in desk.sync(volume)
    desk.commit("two\n")
    assert STRAIGHT in desk.sync(volume)
    assert (place / "src" / "app" / "a.txt").read_text() == "two\n" and not (place / "src" / "left over").exists()


def test_first_copy_into_a_new_volume_goes_straight(desk: Desk) -> None:
    desk.run("ci", "ensure-slot")
    desk.run("ci", "apply")
    volume = desk.volume()
    assert STRAIGHT in desk.sync(volume)
    assert (volume / "codex" / "envs" / "1" / "src" / "app" / "a.txt").read_text() == "one\n"
    assert "nothing to copy" in desk.sync(volume)
