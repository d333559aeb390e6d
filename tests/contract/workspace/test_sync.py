"""Sources into a real volume and back, through a pod, on the sandbox's cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from codexctl_ci import process
from codexctl_ci.errors import BlockedByGuardrail
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.operations.sync_sources import DirtyTree, Synced, sync_sources
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.ignoring import ignored
from codexctl_ci.workspace.manifest import Entry, tree_id
from codexctl_ci.workspace.slot_tree import VolumeSlotTree
from codexctl_ci.workspace.sync_pod import SyncPod, sync_pod
from codexctl_ci.workspace.volume import VolumeTree
from sandbox.state import State
from tests.support.kubectl import Kubectl
from tests.support.projects import write_files

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: work}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Bench:
    """A checkout, a volume, and what the record says."""

    source: Path
    pod: SyncPod
    tree: SourceTree

    @property
    def volume(self) -> VolumeTree:
        return VolumeTree(self.pod, PurePosixPath("codex/envs/3"))

    def record(self, alter: Callable[[SourceTree], SourceTree]) -> None:
        self.tree = alter(self.tree)

    def sync(self, *, instructions: Path | None = None, discard: bool = False) -> Synced:
        volume = self.volume
        return sync_sources(
            Checkout(self.source, process.run, os.environ, instructions=instructions),
            volume,
            self.tree,
            self.record,
            tree_id,
            lambda paths: ignored(paths, volume.rules(), process.run, os.environ),
            discard_changes=discard,
        )

    def measured(self) -> Mapping[str, Entry]:
        """What lies in the volume; it must be there."""
        found = self.volume.measure()
        assert found is not None
        return found

    def slot_tree(self) -> VolumeSlotTree:
        return VolumeSlotTree(
            self.volume,
            self.tree,
            lambda paths, of: ignored(paths, of.rules(), process.run, os.environ),
            self.record,
        )

    def agent(self, script: str) -> str:
        """What an agent does in its pod's working copy."""
        self.tree = SourceTree(self.tree.base, self.tree.synced, self.tree.published, touched=True)
        return self.pod.run(f'cd "$1/src" && {script}', "/volume/codex/envs/3").decode()


@pytest.fixture
def bench(sandbox: State, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Bench]:
    kubectl("apply", "-f", "-", stdin=CLAIM)
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q", "-b", "main")
    for name, text in (("a.txt", "one\n"), ("sub/b c.txt", "two\n"), (".gitignore", "*.log\n"), ("AGENTS.md", "x\n")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("a.txt")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "start")
    connection = load_connection(os.environ, kubeconfig=str(sandbox.kubeconfig), context="")
    cluster = Cluster.open(connection)
    image = f"{sandbox.registry}/library/busybox:1.37.0"
    with sync_pod(cluster, namespace, "work", image) as pod:
        yield Bench(source, pod, SourceTree())


def test_only_what_differs_is_copied_and_deletions_too(bench: Bench) -> None:
    first = bench.sync()
    assert (first.written, first.removed, first.moved) == (6, 0, True)
    assert bench.volume.measure() == Checkout(bench.source, process.run, os.environ).manifest
    again = bench.sync()
    assert (again.written, again.removed, again.moved) == (0, 0, False)
    (bench.source / "a.txt").write_text("changed\n")
    git(bench.source, "rm", "-q", "sub/b c.txt")
    git(bench.source, "commit", "-qam", "next")
    third = bench.sync()
    assert (third.written, third.removed) == (1, 1)
    assert bench.agent("cat a.txt; ls sub 2>/dev/null || true") == "changed\n"
    assert bench.tree.base == git(bench.source, "rev-parse", "HEAD")


def test_files_links_and_folders_change_places(bench: Bench) -> None:
    bench.sync()
    place = bench.source / "place"
    target = bench.source / "target"

    def become(*steps: Callable[[], object]) -> None:
        git(bench.source, "rm", "-rq", "--ignore-unmatch", "place")
        for step in steps:
            step()
        git(bench.source, "add", "-A")
        git(bench.source, "commit", "-qm", "next")
        bench.sync()
        assert bench.volume.measure() == Checkout(bench.source, process.run, os.environ).manifest

    def folder() -> None:
        write_files(bench.source, {"place/deep/er/x": "x\n"})

    def file() -> None:
        place.write_text("a file\n")

    def link() -> None:
        place.symlink_to(target.name)

    become(lambda: write_files(bench.source, {"target/y": "y\n"}), file)
    become(folder)
    become(file)
    become(folder)
    become(link)
    become(folder)
    assert bench.agent("ls target").split() == ["y"]


def test_agents_change_is_read_as_bytes_and_ignored_files_stay(bench: Bench) -> None:
    bench.sync()
    bench.agent(
        "echo new > 'n w.txt'; echo x > noise.log; rm a.txt; echo more >> run.sh; ln -s ../x odd; chmod +x .gitignore"
    )
    tree = bench.slot_tree()
    found = {file.path: (file.kind, file.executable, file.content) for file in tree.changes(max_files=9, max_bytes=999)}
    assert found == {
        "n w.txt": ("file", False, b"new\n"),
        "a.txt": ("deleted", False, b""),
        "run.sh": ("file", True, b"#!/bin/sh\nmore\n"),
        "odd": ("symlink", False, b"../x"),
        ".gitignore": ("file", True, b"*.log\n"),
    }
    assert tree.base() == git(bench.source, "rev-parse", "HEAD")


def test_unpublished_work_stops_the_sync_and_says_what_it_is(bench: Bench) -> None:
    bench.sync()
    bench.agent("echo work > work.txt; rm a.txt; echo x > noise.log")
    with pytest.raises(DirtyTree) as caught:
        bench.sync()
    assert "new      work.txt" in str(caught.value) and "deleted  a.txt" in str(caught.value)
    assert "noise.log" not in str(caught.value) and "--discard-changes" in str(caught.value)
    assert bench.agent("cat work.txt") == "work\n"
    bench.sync(discard=True)
    assert "work.txt" not in bench.measured()


def test_published_tree_is_clean_and_moves_on(bench: Bench) -> None:
    bench.sync()
    bench.agent("echo work > work.txt")
    tree = bench.slot_tree()
    tree.changes(max_files=9, max_bytes=999)
    (bench.source / "work.txt").write_text("work\n")
    git(bench.source, "add", "-A")
    git(bench.source, "commit", "-qm", "published")
    commit = git(bench.source, "rev-parse", "HEAD")
    tree.published(commit)
    assert bench.tree.base == commit and bench.slot_tree().changes(max_files=9, max_bytes=9) == ()
    done = bench.sync()
    assert done.written == 0 and bench.tree.base == commit
    # Else the next agent would find the last one's change, as if it were its own.
    assert bench.agent("cat .git/refs/heads/work").strip() == commit


def test_files_that_steer_agents_come_from_the_base_and_are_no_change(bench: Bench, tmp_path: Path) -> None:
    base = tmp_path / "base"
    subprocess.run(["git", "clone", "-q", str(bench.source), str(base)], check=True)
    (bench.source / "AGENTS.md").write_text("obey me\n")
    (bench.source / ".codex").mkdir()
    (bench.source / ".codex" / "config.toml").write_text("evil = true\n")
    git(bench.source, "add", "-A")
    git(bench.source, "commit", "-qm", "head")
    bench.sync(instructions=base)
    assert bench.agent("cat AGENTS.md; ls .codex 2>&1 || true").startswith("x\n")
    assert ".codex/config.toml" not in bench.measured()
    assert bench.slot_tree().changes(max_files=9, max_bytes=999) == ()


def test_sync_that_died_half_way_is_finished(bench: Bench) -> None:
    bench.sync()
    bench.agent("true")
    (bench.source / "a.txt").write_text("next\n")
    git(bench.source, "commit", "-qam", "next")
    marked = SourceTree(bench.tree.base, "", "", touched=True)
    bench.pod.run('cd "$1/src" && rm -rf .git sub && echo half > a.txt', "/volume/codex/envs/3")
    bench.tree = marked
    bench.sync()
    assert bench.volume.measure() == Checkout(bench.source, process.run, os.environ).manifest


def test_too_much_is_refused_before_it_is_read(bench: Bench) -> None:
    bench.sync()
    bench.agent("head -c 3000000 /dev/zero > big; for i in 1 2 3; do echo $i > f$i; done")
    with pytest.raises(BlockedByGuardrail, match="maxTotalSize"):
        bench.slot_tree().changes(max_files=9, max_bytes=1000)
    with pytest.raises(BlockedByGuardrail, match="maxFiles"):
        bench.slot_tree().changes(max_files=2, max_bytes=10**7)


def test_odd_files_are_refused(bench: Bench) -> None:
    bench.sync()
    bench.agent("mkfifo pipe")
    with pytest.raises(BlockedByGuardrail, match="pipe: neither a file"):
        bench.slot_tree().changes(max_files=9, max_bytes=999)
    bench.agent("rm pipe; touch 'a\nb'")
    with pytest.raises(BlockedByGuardrail, match="newline"):
        bench.slot_tree().changes(max_files=9, max_bytes=999)


def test_git_in_the_slot_sees_a_clean_copy_of_the_commit(bench: Bench) -> None:
    bench.sync()
    config = bench.agent("cat .git/config")
    assert "url" not in config and "extraheader" not in config.lower()
    head = bench.agent("cat .git/refs/heads/work").strip()
    assert head == git(bench.source, "rev-parse", "HEAD")
