"""Agents that go wrong in a pod of the real cluster: each has its conclusion, ends soon, and leaves no process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.kube.kubeconfig import load_connection
from sandbox.faulty_proxy import FaultyProxy
from tests.contract.kube.conftest import through_proxy
from tests.contract.test_agent_in_pod import Pod, pod
from tests.support.codex_config import config_for
from tests.support.responses_server import Fault, Garbage, Hang, Step, execute, say, serve
from tests.support.second_api_server import SecondApiServer

__all__ = ["pod"]

ROOT = Path(__file__).parents[2]


def soon() -> float:
    """Seconds from the agent's end to ours: five, and as much more as this machine is busier than it can bear."""
    return 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Ended:
    """Notes when the model gave its last word."""

    def __init__(self, last: Sequence[dict[str, Any]]) -> None:
        self.last, self.at = last, 0.0

    def __call__(self, body: dict[str, Any]) -> Sequence[dict[str, Any]]:
        self.at = time.monotonic()
        return self.last


FORKS = (
    "for i in 1 2 3 4 5; do setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' >/dev/null 2>&1 & done; "
    "(setsid nohup sleep 900 >/dev/null 2>&1 &); true"
)
LOUD = "head -c 100000000 /dev/zero | tr '\\0' x"
FILES = "for i in $(seq 3000); do echo $i > f$i; done"


@pytest.mark.parametrize("command", [FORKS, LOUD, FILES], ids=["forks daemons", "prints 100 MB", "writes many files"])
def test_agent_that_does_too_much_ends_soon_after_its_turn(pod: Pod, command: str) -> None:
    last = Ended([say("Title: done")])
    with serve([[execute(command)], last], pod.state.node_address) as model:
        ending = pod.run(model)
        took = time.monotonic() - last.at
    assert (ending.conclusion, ending.final_message, ending.stopped) == ("ended", "Title: done", True)
    assert took < soon(), took
    assert pod.processes() == ""
    assert sum(map(len, pod.lines)) < 100_000


def test_volume_without_any_room_left_is_said(pod: Pod) -> None:
    volumes = [{"name": "workspace", "emptyDir": {"medium": "Memory", "sizeLimit": "48Mi"}}]
    patch = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    pod.kubectl("patch", "deployment/codex", "--type=merge", "-p", json.dumps(patch))
    pod.kubectl("rollout", "status", "deployment/codex", "--timeout=60s")
    fill = "cat /dev/zero >big; for i in $(seq 200); do echo $i >>more; done"
    with serve([[execute(fill)], [say("Title: x")]], pod.state.node_address) as model:
        ending = pod.run(model)
    # Codex may come to its end all the same, or die of it; what counts is that the ending can be read and is true.
    reasons = ("no room is left", "in the middle of its turn")
    lost = ending.conclusion == "agent_error" and any(reason in ending.reason for reason in reasons)
    assert lost or (ending.conclusion, ending.final_message) == ("ended", "Title: x"), ending
    assert pod.processes() == ""


def test_agent_that_kills_its_own_parent_is_told_so(pod: Pod) -> None:
    steps: list[Step] = [[execute("kill -9 $(cat /proc/$PPID/stat | cut -d ' ' -f 1); sleep 60")], [say("never")]]
    with serve(steps, pod.state.node_address) as model:
        ending = pod.run(model)
    assert ending.conclusion in ("infra_error", "agent_error") and "signal 9" in ending.reason, ending
    assert pod.processes() == ""


@pytest.mark.parametrize("step", [Garbage(b"data: {not json\n\n"), Garbage(b""), Fault(200, "not a stream")])
def test_model_that_answers_nonsense_or_nothing_is_the_agents_error(pod: Pod, step: Step) -> None:
    with serve([step], pod.state.node_address) as model:
        ending = pod.run(model)
    assert ending.conclusion == "agent_error" and ending.reason, ending
    assert pod.processes() == ""


def test_model_that_never_answers_is_a_timeout(pod: Pod) -> None:
    with serve([Hang()], pod.state.node_address) as model:
        ending = pod.run(model, idle_timeout=timedelta(seconds=4))
    assert ending.conclusion == "timeout" and "no sign of life" in ending.reason
    assert pod.processes() == ""


def test_pod_that_is_evicted_is_an_infra_error_that_says_so(pod: Pod) -> None:
    with serve([[execute("sleep 600")], [say("never")]], pod.state.node_address) as model:
        place = pod.place()

        def evict() -> None:
            model.arrived.wait(30)
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": place.pod, "namespace": place.namespace},
            }
            path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/eviction"
            pod.kubectl.attempt("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

        evictor = threading.Thread(target=evict)
        evictor.start()
        ending = pod.run(model, place=place)
        evictor.join(30)
    assert ending.conclusion == "infra_error" and place.pod in ending.reason, ending


def test_api_server_that_is_away_for_a_while_costs_the_run_nothing(pod: Pod) -> None:
    connection = load_connection({}, kubeconfig=str(pod.state.kubeconfig))
    steps: list[Step] = [[execute("sleep 6; echo late > late.txt")], [say("Title: whole")]]
    with FaultyProxy(connection.server) as proxy, serve(steps, pod.state.node_address) as model:
        through = through_proxy(proxy, connection)
        place = find_agent_place(lambda: through, pod.namespace)
        place.window = timedelta(seconds=1)

        resets: list[object] = []

        def restart() -> None:
            model.arrived.wait(30)
            before = len(proxy.seen)
            proxy.die_at(before + 1)
            deadline = time.monotonic() + 30
            while len(proxy.seen) < before + 3 and time.monotonic() < deadline:
                threading.Event().wait(0.05)
            resets.extend(proxy.seen[before:])
            proxy.revive()

        restarting = threading.Thread(target=restart)
        restarting.start()
        ending = pod.run(model, place=place)
        restarting.join(30)
        assert len(model.requests) == 2 and len(resets) >= 3
    assert (ending.conclusion, ending.final_message) == ("ended", "Title: whole")
    assert sum(line.startswith("agent $") for line in pod.lines) == 1


_RUNNER = """
import sys
from datetime import timedelta
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.ports import AgentRequest
kubeconfig, namespace, config = sys.argv[1:]
cluster = Cluster.open(load_connection({}, kubeconfig=kubeconfig))
place = find_agent_place(lambda: cluster, namespace)
minute = timedelta(seconds=60)
CodexRuntime(place, "/workspace", lambda line: None).run(
    AgentRequest("1-77", "go", config, minute, minute), lambda thread: print(thread, flush=True))
"""


def test_runner_that_is_killed_is_followed_by_one_that_joins(pod: Pod) -> None:
    steps: list[Step] = [[execute("sleep 6; echo late > late.txt")], [say("Title: late")]]
    with serve(steps, pod.state.node_address) as model:
        config = config_for(model, pod.state.node_address)
        words = [sys.executable, "-c", _RUNNER, str(pod.state.kubeconfig), pod.namespace, config]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as runner:
            assert runner.stdout is not None
            thread = runner.stdout.readline().strip()
            runner.kill()
        ending = pod.run(model)
        assert len(model.requests) == 2
    assert (ending.joined, ending.thread_id, ending.final_message) == (True, thread, "Title: late")
    assert pod.shell("cat /workspace/late.txt").strip() == "late"


def test_api_server_that_is_killed_and_started_again_costs_the_run_nothing(pod: Pod, tmp_path: Path) -> None:
    steps: list[Step] = [[execute("sleep 3; echo late > late.txt")], [say("Title: whole")]]
    server = SecondApiServer(pod.state, tmp_path / "log")
    server.start()
    server.wait_until_ready()
    # As in a slot: an account whose rights a server that has just begun does not know yet.
    pod.kubectl("create", "serviceaccount", "deployer")
    who = f"--serviceaccount={pod.namespace}:deployer"
    pod.kubectl("create", "rolebinding", "deployer", "--clusterrole=admin", who)
    token = pod.kubectl("create", "token", "deployer", "--duration=1h").strip()
    try:
        cluster = server.client(token)
        place = find_agent_place(lambda: cluster, pod.namespace)
        with serve(steps, pod.state.node_address) as model:

            def restart() -> None:
                model.arrived.wait(30)
                server.kill()
                server.start()

            restarting = threading.Thread(target=restart)
            restarting.start()
            ending = pod.run(model, place=place)
            restarting.join(90)
            assert len(model.requests) == 2
    finally:
        server.kill()
    assert (ending.conclusion, ending.final_message, ending.joined) == ("ended", "Title: whole", False)
    assert sum(line.startswith("agent $") for line in pod.lines) == 1
    assert pod.shell("cat /workspace/late.txt").strip() == "late"
