"""Staging's deploy and a repair meet in one namespace and one tree: whole commands on the real API server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
import urllib3

from codexctl_ci.cli.main import main
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.slots.records import AgentRun, SlotRecord
from codexctl_ci.stack.objects import Ref
from codexctl_ci.workspace.sync_pod import sync_pod
from sandbox.state import State
from tests.contract.workspace.test_sync import git
from tests.support.projects import write_files

PROJECT = {
    "services.yaml": """
    project: shop
    namespace: {patterns: {ai-staging: NAMESPACE, ai-repair: NAMESPACE}}
    environments: {ai-staging: {}, ai-repair: {from: ai-staging}}
    images:
      web: {type: build, repository: REGISTRY/NAMESPACE/web, tag: "{{ env }}", context: web, dockerfile: web/Dockerfile}
    infrastructure:
      - name: storage
        manifests: [{path: storage.yaml}]
      - name: settings
        manifests: [{path: settings.yaml}]
    """,
    "storage.yaml": """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: shop-workspace}
    spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Mi}}}
    """,
    "settings.yaml": """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings}
    data: {page: "one"}
    """,
    "web/Dockerfile": "FROM scratch\nCOPY page /page\n",
    "web/page": "one",
}

DEPLOY = ("ci", "ensure-ready", "--env", "ai-staging", "--apply", "--force-apply")


@dataclass
class Staging:
    """A project's checkout, its staging, and a repair's slot."""

    root: Path
    namespace: str
    state: State
    cluster: Cluster

    def environ(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root.parent),
            "KUBECONFIG": str(self.state.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "CODEXCTL_SOURCE": str(self.root),
            "CODEXCTL_SYNC_IMAGE": f"{self.state.registry}/library/busybox:1.37.0",
            "CODEXCTL_KANIKO_IMAGE": self.state.kaniko_image,
            "CODEXCTL_KANIKO_PRIVILEGED": "true",
            "CODEXCTL_KANIKO_INSECURE": "true",
            "CODEXCTL_BUILDER": "job",
        }

    def run(self, *words: str) -> int:
        return main(list(words), self.environ())

    def deploy(self, *words: str) -> int:
        """As the staging workflow's one step."""
        return self.run(*DEPLOY, *words)

    def repair(self) -> SlotRecord:
        """A repair's run up to where its agent begins."""
        assert self.run("ci", "ensure-ready", "--env", "ai-repair", "--issue", "5") == 0
        return self.record

    @property
    def store(self) -> SlotStore:
        return SlotStore(self.cluster, self.namespace, "shop", "ai-repair")

    @property
    def record(self) -> SlotRecord:
        found = self.store.read(1)
        assert found is not None
        return found

    def agent(self, script: str) -> str:
        """What the repair's agent does in the tree; its run is over then."""
        self.store.update(1, lambda known: replace(known, tree=replace(known.tree, touched=True)))
        return self.look(script)

    def look(self, script: str) -> str:
        with sync_pod(self.cluster, self.namespace, "shop-workspace", "busybox:1.37.0", name="look") as pod:
            return pod.run(f'cd "$1/src" && {script}', "/volume/codex/envs/ai-staging").decode()

    def commit(self, page: str) -> str:
        (self.root / "web" / "page").write_text(page)
        (self.root / "settings.yaml").write_text(dedent(PROJECT["settings.yaml"]).replace("one", page))
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", page)
        return git(self.root, "rev-parse", "HEAD")

    def deployed(self) -> str:
        """The page that the stack was applied with last."""
        found = self.cluster.get(Ref("v1", "ConfigMap", "settings", self.namespace))
        return str(found["data"]["page"]) if found else ""

    def built(self, tag: str) -> str:
        """The page in the image."""
        base = f"http://{self.state.registry}/v2/{self.namespace}/web"
        kinds = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
        manifest = json.loads(
            urllib3.request("GET", f"{base}/manifests/{tag}", headers={"Accept": ", ".join(kinds)}).data
        )
        layer = urllib3.request("GET", f"{base}/blobs/{manifest['layers'][-1]['digest']}").data
        with tarfile.open(fileobj=io.BytesIO(layer)) as content:
            page = content.extractfile("page")
            assert page is not None
            return page.read().decode()


@pytest.fixture
def staging(sandbox: State, namespace: str, tmp_path: Path) -> Iterator[Staging]:
    root = tmp_path / "shop"
    filled = {
        path: text.replace("NAMESPACE", namespace).replace("REGISTRY", sandbox.registry)
        for path, text in PROJECT.items()
    }
    write_files(root, filled)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    cluster = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)), cache_dir=tmp_path / "kinds")
    made = Staging(root, namespace, sandbox, cluster)
    assert made.deploy() == 0
    yield made


def test_deploy_leaves_a_repairs_work_alone_and_builds_from_its_own_checkout(
    staging: Staging, capfd: pytest.CaptureFixture[str]
) -> None:
    staging.repair()
    staging.agent("echo mine > web/page; echo new > new.txt")
    staging.commit("two")
    assert staging.deploy("--prepare-images") == 0
    said = capfd.readouterr().err
    assert "left to a repair" in said and "new      new.txt" in said
    assert staging.deployed() == "two" and staging.built("ai-staging") == "two"
    assert staging.look("cat web/page new.txt") == "mine\nnew\n"


def test_deploy_waits_for_a_repairs_command(staging: Staging) -> None:
    record = staging.repair()
    staging.agent("true")
    staging.commit("two")
    with OperationLock(staging.store, 1, what="apply", run="7", epoch=record.epoch):
        words = [sys.executable, "-m", "codexctl_ci", *DEPLOY]
        deploy = subprocess.Popen(words, env=staging.environ(), stderr=subprocess.PIPE, text=True)
        assert deploy.stderr is not None
        assert any("waiting, apply of run 7" in line for line in deploy.stderr)
        assert staging.deployed() == "one"
    _, said = deploy.communicate(timeout=120)
    assert deploy.returncode == 0, said
    assert staging.deployed() == "two"


def test_deploy_does_not_wait_for_ever_and_leaves_the_tree_to_the_agent(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = OperationLock.__init__.__kwdefaults__
    assert defaults is not None and defaults["patience"] == timedelta(minutes=10)
    monkeypatch.setitem(defaults, "patience", timedelta(seconds=1))
    staging.repair()
    later = staging.cluster.now() + timedelta(minutes=30)
    staging.store.update(1, lambda known: replace(known, agent=AgentRun("1.7", later)))
    staging.agent("true")
    staging.commit("two")
    assert staging.deploy() == 0
    assert staging.deployed() == "two" and staging.look("cat web/page") == "one"
    assert staging.run("ci", "sync-sources", "--env", "ai-staging") == 1


def test_tree_is_left_to_an_agent_that_is_about_to_begin_and_moves_on_once_its_work_is_published(
    staging: Staging,
) -> None:
    base = staging.repair().tree.base
    commit = staging.commit("two")
    assert staging.deploy() == 0
    assert staging.deployed() == "two" and staging.look("cat web/page") == "one"
    assert staging.record.tree.base == base
    staging.agent("true")
    assert staging.deploy() == 0
    assert staging.look("cat web/page") == "two"
    assert staging.record.tree.base == commit
    staging.commit("three")
    assert staging.deploy() == 0
    assert staging.look("cat web/page") == "three"


def test_after_the_end_of_a_repair_staging_has_its_tree_back(staging: Staging) -> None:
    staging.repair()
    staging.agent("echo mine > web/page")
    staging.store.update(1, lambda known: replace(known, agent=AgentRun("1.7", staging.cluster.now(), ended=True)))
    cleanup = ("manage-env", "cleanup", "--env", "ai-repair", "--issue", "5")
    assert staging.run(*cleanup) == 0 and not staging.record.free
    assert staging.run(*cleanup, "--force") == 0 and staging.record.free
    assert staging.look("cat web/page") == "mine\n"
    staging.commit("two")
    assert staging.deploy() == 0
    assert staging.look("cat web/page") == "two"


def test_repair_that_begins_during_a_sync_of_staging_waits_for_its_end(staging: Staging) -> None:
    """The slot is leased at once; the lock on the tree stays."""
    with OperationLock(staging.store, 1, what="sync-sources", run="7"):
        assert staging.run("ci", "ensure-slot", "--env", "ai-repair", "--issue", "5") == 0
        held = staging.record.lock
        assert not staging.record.free and held is not None and held.run == "7"


def test_end_of_a_repair_takes_nothing_that_staging_has_applied(staging: Staging) -> None:
    assert staging.run("apply", "--env", "ai-staging") == 0
    assert staging.repair().claim
    assert staging.run("apply", "--env", "ai-repair", "--issue", "5") == 0
    assert staging.run("manage-env", "cleanup-issue", "--env", "ai-repair", "--issue", "5") == 0
    assert staging.record.free and staging.deployed() == "one"
