"""Sandboxes beside each other, and what is left when one ends. They run inside the one that the tests share."""

import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.bootstrap.cache import cache_root
from sandbox.bootstrap.progress import Progress
from sandbox.keeper import CGROUPS
from sandbox.lifecycle import enter_argv, running
from sandbox.preparation import Prepared, prepare
from sandbox.state import State, read_state
from tests.support.cluster import new_name

TREE = Path(__file__).resolve().parents[2]
LIMIT = timedelta(seconds=30)


@pytest.fixture(scope="module")
def prepared(sandbox: State) -> Prepared:
    return prepare(TREE, Progress())


def test_killing_the_first_process_leaves_nothing(prepared: Prepared) -> None:
    with running(prepared, Progress(), name=new_name("killed")) as state:
        _run_a_pod(state)
        traces = _traces(state)
        keeper = os.pidfd_open(state.keeper)
        os.kill(state.first_process, signal.SIGKILL)
        _wait_for_end(keeper)

        _assert_gone(state, traces)
        assert (cache_root() / "logs" / state.name / "kube-apiserver.log").is_file()


def test_killing_whoever_started_it_leaves_nothing(sandbox: State) -> None:
    argv = [sys.executable, "-m", "sandbox", "run", "--", "sh", "-c", 'echo "$SANDBOX_STATE"; sleep 600']
    starter = subprocess.Popen(argv, cwd=TREE, stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    state = read_state(Path(starter.stdout.readline().strip()))
    keeper = os.pidfd_open(state.keeper)
    _run_a_pod(state)
    traces = _traces(state)

    starter.kill()
    starter.wait()
    _wait_for_end(keeper)

    _assert_gone(state, traces)


def test_a_program_that_ends_takes_the_sandbox_down(prepared: Prepared) -> None:
    with running(prepared, Progress(), name=new_name("broken")) as state:
        keeper, traces = os.pidfd_open(state.keeper), _traces(state)
        # It takes down the sandbox, and with it the program that kills it.
        subprocess.run(enter_argv(state, ["pkill", "-KILL", "etcd"], TREE), timeout=90, check=False)
        _wait_for_end(keeper)

        _assert_gone(state, traces)
        assert "etcd ended" in (cache_root() / "logs" / state.name / "sandbox.log").read_text()


@dataclass(frozen=True)
class Traces:
    """What would show that something of a sandbox is still there."""

    network: Path
    containers: frozenset[str]


def _traces(state: State) -> Traces:
    known = state.home / "data" / "containerd" / "io.containerd.grpc.v1.cri"
    return Traces(_network(state), frozenset(folder.name for folder in known.glob("*/*")))


def _network(state: State) -> Path:
    return Path(f"/proc/{state.first_process}/ns/net").readlink()


def _run_a_pod(state: State) -> None:
    _inside(state, "kubectl", "run", "left", "--image=busybox:1.37.0", "--", "sleep", "600")
    _inside(state, "kubectl", "wait", "pod/left", "--for=condition=Ready", "--timeout=60s")


def _inside(state: State, *argv: str) -> str:
    environment = {**os.environ, **state.environment()}
    return subprocess.run(
        enter_argv(state, argv, TREE), env=environment, stdout=subprocess.PIPE, text=True, timeout=90, check=True
    ).stdout


def _wait_for_end(process: int) -> None:
    with os.fdopen(process, "rb"):
        assert select.select([process], [], [], LIMIT.total_seconds())[0], "the keeper is still there"


def _assert_gone(state: State, traces: Traces) -> None:
    assert not state.home.exists()
    marks = str(state.home)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_text() + (process / "mountinfo").read_text()
            holds_network = (process / "ns" / "net").readlink() == traces.network
        except OSError:
            continue
        assert marks not in seen, f"process {process.name} is one of its own, or sees a mount of it"
        assert not holds_network, f"process {process.name} keeps its network, with interfaces and packet rules, alive"
    left = [group for group in CGROUPS.glob("*/k8s.io/*") if group.name in traces.containers]
    assert not left, "its pods' cgroups are left"
