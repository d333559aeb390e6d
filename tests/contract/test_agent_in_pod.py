"""The agent in a pod of the real cluster: the stream lost, our process killed, time over, the pod taken away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.codex.places import PodPlace
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.remote import Pace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.errors import ApiError, ConfigError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.ports import AgentEnding, AgentRequest, ExecResult
from sandbox.state import State
from tests.support.codex_config import config_for
from tests.support.kubectl import Kubectl
from tests.support.responses_server import Fault, Model, Step, execute, say, serve


def deployment(image: str) -> list[dict[str, object]]:
    template = {
        "metadata": {"labels": {"app": "codex"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "codex",
                    "image": image,
                    "command": ["sh", "-c", "trap exit TERM; while :; do sleep 1 & wait; done"],
                    "env": [{"name": "GITHUB_TOKEN", "value": "ghs_of_the_pod"}],
                    "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}],
                }
            ],
            "volumes": [{"name": "workspace", "persistentVolumeClaim": {"claimName": "workspace"}}],
        },
    }
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "workspace"}, "spec": claim},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "codex"},
            "spec": {"selector": {"matchLabels": {"app": "codex"}}, "template": template},
        },
    ]


@dataclass
class Pod:
    """The agent's pod of one test."""

    state: State
    cluster: Cluster
    kubectl: Kubectl
    namespace: str

    def place(self) -> PodPlace:
        return find_agent_place(lambda: self.cluster, self.namespace)

    def run(
        self,
        model: Model,
        key: str = "1-77",
        place: PodPlace | None = None,
        known: Callable[[str], None] = lambda thread: None,
        **more: object,
    ) -> AgentEnding:
        values: dict[str, object] = {
            "key": key,
            "prompt": "do the work",
            "config_toml": config_for(model, self.state.node_address),
            "total_timeout": timedelta(seconds=90),
            "idle_timeout": timedelta(seconds=60),
        }
        self.lines: list[str] = []
        runtime = CodexRuntime(place or self.place(), "/workspace", self.lines.append, Pace(timedelta(seconds=0.1)))
        return runtime.run(AgentRequest(**(values | more)), known)  # type: ignore[arg-type]

    def shell(self, command: str) -> str:
        return self.kubectl("exec", "deployment/codex", "--", "sh", "-c", command)

    def processes(self) -> str:
        return self.shell("grep -lz AGENT_RUN= /proc/[0-9]*/environ 2>/dev/null | grep -v self || true").strip()


@pytest.fixture
def pod(sandbox: State, kubectl: Kubectl, namespace: str) -> Iterator[Pod]:
    for manifest in deployment(sandbox.codex_image):
        kubectl.apply(manifest)
    cluster = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)))
    made = Pod(sandbox, cluster, kubectl, namespace)
    made.place()
    made.shell("cd /workspace && git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m base")
    yield made


def test_agent_works_in_the_pod_and_is_resumed_in_a_new_one(pod: Pod) -> None:
    steps: list[Step] = [[execute("pwd > where.txt; env > /tmp/seen")], [say("Title: one")], [say("Title: two")]]
    with serve(steps, pod.state.node_address) as model:
        place = pod.place()
        first = pod.run(model, prompt="the first question " + "x" * 200_000)
        assert (first.conclusion, first.final_message) == ("ended", "Title: one")
        assert first.tree_changed
        assert pod.shell("cat /workspace/where.txt").strip() == "/workspace"
        assert "ghs_of_the_pod" not in pod.shell("cat /tmp/seen")
        assert pod.processes() == ""
        place.destroy()
        pod.kubectl.wait(f"pod/{place.pod}", "delete")
        second = pod.run(model, "1-78", prompt="the second question", resume=first.thread_id)
        assert second.thread_id == first.thread_id and second.final_message == "Title: two"
        assert "the first question" in model.prompt_of(2)
        assert second.output_tokens == 20 and not second.tree_changed


class Breaking(PodPlace):
    """Streams of events break a moment after they began."""

    breaks = 0

    def execute(
        self,
        argv: object,
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        assert isinstance(argv, list)
        if on_stdout is None:
            return super().execute(argv, stdin=stdin, timeout=timeout)

        def broken(piece: bytes) -> None:
            on_stdout(piece[:100])
            self.breaks += 1
            raise ApiError("the stream to the command broke", status=0, kind="StreamBroken")

        return super().execute(argv, stdin=stdin, on_stdout=broken, timeout=timeout)


def test_stream_that_breaks_again_and_again_loses_nothing(pod: Pod) -> None:
    with serve([[execute("echo one")], [say("Title: whole")]], pod.state.node_address) as model:
        there = pod.place()
        place = Breaking(there.cluster, there.namespace, there.pod, there.uid, there.container)
        ending = pod.run(model, place=place)
    assert place.breaks > 5
    assert (ending.conclusion, ending.final_message) == ("ended", "Title: whole")
    assert sum(line.startswith("agent $") for line in pod.lines) == 1


def test_second_run_of_the_same_key_joins_and_total_time_is_kept(pod: Pod) -> None:
    with serve([[execute("setsid sleep 600 & sleep 600")], [say("never")]], pod.state.node_address) as model:
        endings: list[AgentEnding] = []
        limit = timedelta(seconds=8)
        first = threading.Thread(target=lambda: endings.append(pod.run(model, total_timeout=limit)))
        first.start()
        assert model.arrived.wait(30)
        joined = pod.run(model, total_timeout=limit)
        first.join(40)
    assert [endings[0].conclusion, joined.conclusion] == ["timeout", "timeout"]
    assert joined.joined and joined.stopped
    assert pod.processes() == ""


def test_pod_that_is_taken_away_is_an_infra_error(pod: Pod) -> None:
    with serve([[execute("sleep 600")], [say("never")]], pod.state.node_address) as model:
        place = pod.place()

        known = threading.Event()

        def take_away() -> None:
            assert model.arrived.wait(60) and known.wait(60)
            place.destroy()

        threading.Thread(target=take_away).start()
        ending = pod.run(model, place=place, known=lambda thread: known.set())
    assert ending.conclusion == "infra_error"
    assert place.pod in ending.reason and ending.thread_id


def test_container_that_restarts_is_an_infra_error_and_the_next_run_starts_anew(pod: Pod) -> None:
    steps: list[Step] = [[execute("kill -9 -1; sleep 600")], [say("Title: anew")]]
    with serve(steps, pod.state.node_address) as model:
        place = pod.place()

        def restart() -> None:
            model.arrived.wait(30)
            pod.kubectl.attempt("exec", place.pod, "--", "sh", "-c", "kill -s TERM 1")

        threading.Thread(target=restart).start()
        ending = pod.run(model, place=place)
        assert ending.conclusion == "infra_error"
        again = pod.run(model)
    assert (again.conclusion, again.final_message, again.joined) == ("ended", "Title: anew", False)


@pytest.mark.parametrize(("status", "words"), [(429, "429"), (500, "high demand")])
def test_model_that_refuses_is_the_agents_error(pod: Pod, status: int, words: str) -> None:
    with serve([Fault(status, "not now")], pod.state.node_address) as model:
        ending = pod.run(model)
    assert ending.conclusion == "agent_error" and words in ending.reason


def test_namespace_without_codex_names_the_other_executor(sandbox: State, namespace: str) -> None:
    cluster = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)))
    with pytest.raises(ConfigError, match="--executor runner"):
        find_agent_place(lambda: cluster, namespace)


def test_state_folder_is_made_below_the_workspace_only(pod: Pod, tmp_path: Path) -> None:
    with serve([[say("Title: nothing")]], pod.state.node_address) as model:
        assert pod.run(model).conclusion == "ended"
    assert pod.shell("git -C /workspace status --porcelain").strip() == ""
    assert pod.shell("ls -A /workspace").split() == [".codexctl", ".git"]
