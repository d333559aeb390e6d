"""Whole commands in slots: what a job that is run again finds, and what a command that slept may still do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.operations.run_agent import run_key
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.slots.records import AgentRun, SlotRecord
from codexctl_ci.stack.objects import Ref
from sandbox.state import State
from tests.support.projects import write_files
from tests.support.slot_scene import SlotScene

SERVICES = """
project: PROJECT
namespace: {patterns: {ai-staging: RECORDS}}
maxSlots: 3
infrastructure:
  - name: settings
    manifests: [{path: settings.yaml}]
    hooks:
      beforeApply:
        - {name: hold, run: "HOLD"}
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
"""
# A lock that is quick to go stale, in a process of its own.
COMMAND = """
import os, sys
from codexctl_ci.operations import slot_lock
slot_lock.LOCK_SECONDS = 2
from codexctl_ci.cli.main import main
sys.exit(main(sys.argv[1:], os.environ))
"""
AGAIN = ("ci", "ensure-ready", "--env", "ai", "--issue", "7", "--apply")


@dataclass
class Jobs:
    """The jobs of one workflow's run on issue 7. ``hold`` is the hook's text."""

    scene: SlotScene
    root: Path
    kubeconfig: Path

    def project(self, hold: str = "true") -> None:
        services = SERVICES.replace("PROJECT", self.scene.project).replace("RECORDS", self.scene.namespace)
        write_files(self.root, {"services.yaml": services.replace("HOLD", hold), "settings.yaml": SETTINGS})

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "KUBECONFIG": str(self.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "GITHUB_RUN_ID": "70",
            "GITHUB_OUTPUT": str(self.root / "outputs"),
            **more,
        }

    def run(self, *words: str, **more: str) -> int:
        return main(list(words), self.environ(**more))

    def outputs(self) -> str:
        return (self.root / "outputs").read_text()

    def leased(self) -> SlotRecord:
        self.scene.namespace_of(1)
        assert self.run("ci", "ensure-slot", "--env", "ai", "--issue", "7") == 0
        return self.scene.records()[1]

    def applied(self, record: SlotRecord) -> bool:
        return self.scene.cluster.get(Ref("v1", "ConfigMap", "settings", record.namespace)) is not None


@pytest.fixture
def jobs(scene: SlotScene, sandbox: State, tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(scene, tmp_path, sandbox.kubeconfig)
    made.project()
    yield made


def test_job_that_lost_its_runner_leaves_its_own_agent_alone_and_goes_on(jobs: Jobs) -> None:
    record = jobs.leased()
    run = AgentRun(run_key(record.epoch, "70"), jobs.scene.cluster.now() + timedelta(minutes=30))
    before = jobs.scene.store().update(1, lambda known: replace(known, agent=run))
    assert jobs.run(*AGAIN, CODEXCTL_EPOCH=str(record.epoch)) == 0
    assert not jobs.applied(record)
    assert jobs.scene.records()[1].lock is None and jobs.scene.records()[1].agent == before.agent
    assert "codexctl_new_env" in jobs.outputs()


def test_agent_of_another_run_or_one_that_ended_is_not_our_own(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = OperationLock.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "patience", timedelta(seconds=1))
    record = jobs.leased()
    later = jobs.scene.cluster.now() + timedelta(minutes=30)
    others = AgentRun(run_key(record.epoch, "69"), later)
    jobs.scene.store().update(1, lambda known: replace(known, agent=others))
    assert jobs.run(*AGAIN) == 1 and not jobs.applied(record)
    ended = AgentRun(run_key(record.epoch, "70"), later, ended=True, published=True)
    jobs.scene.store().update(1, lambda known: replace(known, agent=ended))
    assert jobs.run(*AGAIN) == 0 and jobs.applied(record)


def test_rerun_of_failed_jobs_alone_after_the_slot_was_given_back_says_what_to_do(
    jobs: Jobs, capfd: pytest.CaptureFixture[str]
) -> None:
    record = jobs.leased()
    assert jobs.run("manage-env", "cleanup", "--env", "ai", "--issue", "7") == 0
    capfd.readouterr()
    for words in (AGAIN, ("ci", "sync-sources", "--env", "ai", "--issue", "7")):
        assert jobs.run(*words, CODEXCTL_EPOCH=str(record.epoch), CODEXCTL_SLOT="1") == 1
        assert "re-run all jobs" in capfd.readouterr().err
    assert all(found.free for found in jobs.scene.records().values())
    assert "re-run all jobs" in jobs.outputs()
    # All jobs: the first one leases anew, and its epoch is good.
    assert jobs.leased().epoch > record.epoch
    assert jobs.run(*AGAIN, CODEXCTL_EPOCH=str(jobs.scene.records()[1].epoch)) == 0


@pytest.mark.parametrize("words", [AGAIN, ("ci", "apply", "--env", "ai", "--issue", "7")], ids=["ready", "apply"])
def test_command_that_slept_beyond_its_lock_writes_nothing_more(jobs: Jobs, words: tuple[str, ...]) -> None:
    record = jobs.leased()
    begun, go_on = jobs.root / "begun", jobs.root / "go-on"
    for pipe in (begun, go_on):
        os.mkfifo(pipe)
    jobs.project(hold=f"echo > {begun}; cat {go_on}")
    command = [sys.executable, "-c", COMMAND, *words]
    run = subprocess.Popen(command, env=jobs.environ(), stderr=subprocess.PIPE, text=True)
    try:
        begun.read_text()
        run.send_signal(signal.SIGSTOP)
        with OperationLock(jobs.scene.store(), 1, what="apply", run="next", epoch=record.epoch):
            run.send_signal(signal.SIGCONT)
            go_on.write_text("now")
            _, said = run.communicate(timeout=120)
            assert run.returncode == 1 and "another run took the slot over" in said, said
            assert not jobs.applied(record)
    finally:
        run.kill()
