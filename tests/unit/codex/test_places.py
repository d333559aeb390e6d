"""The agent's pod: which one, when it is gone, how long lost contact is borne."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from codexctl_ci.codex.places import PodPlace, last_termination
from codexctl_ci.codex.pods import find_agent_place
from codexctl_ci.codex.remote import Pace, PlaceGone, Remote, RunState
from codexctl_ci.errors import ApiError, CodexctlError, ConfigError, NotReady
from codexctl_ci.ports import ExecResult
from codexctl_ci.stack.objects import Manifest
from tests.support.memory_cluster import MemoryCluster

NOW = timedelta()
DEPLOYMENT: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "codex", "namespace": "n"},
    "spec": {"selector": {"matchLabels": {"app": "codex"}}},
}


def pod(name: str = "codex-1", created: str = "2026-01-01T00:00:00Z", **changes: Any) -> Manifest:
    state = changes.pop("state", {"running": {}})
    names = changes.pop("containers", ["codex"])
    status = {"phase": "Running", "containerStatuses": [{"name": each, "state": state} for each in names]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": f"uid-of-{name}",
            "creationTimestamp": created,
            "labels": {"app": "codex"},
            **changes,
        },
        "spec": {"containers": [{"name": each} for each in names]},
        "status": status,
    }


def place_in(*objects: Manifest) -> PodPlace:
    cluster = MemoryCluster(DEPLOYMENT, *objects)
    return find_agent_place(lambda: cluster, "n", wait=NOW)


def test_newest_running_pod_is_the_agents_place() -> None:
    going = pod("codex-0", "2026-01-03T00:00:00Z", deletionTimestamp="2026-01-03T00:00:01Z")
    waiting = pod("codex-3", "2026-01-04T00:00:00Z", state={"waiting": {"reason": "ErrImagePull"}})
    place = place_in(pod(), pod("codex-2", "2026-01-02T00:00:00Z"), going, waiting)
    assert (place.pod, place.uid, place.container) == ("codex-2", "uid-of-codex-2", "codex")


def test_container_is_the_one_called_codex_else_the_first() -> None:
    assert place_in(pod(containers=["proxy", "codex"])).container == "codex"
    assert place_in(pod(containers=["main", "proxy"])).container == "main"


def test_pod_that_comes_while_we_wait_is_taken() -> None:
    cluster = MemoryCluster(DEPLOYMENT, pod(state={"waiting": {"reason": "ContainerCreating"}}))
    listed = cluster.list

    def then_ready(*words: Any, **more: Any) -> Any:
        listing = listed(*words, **more)
        cluster.put(pod())
        return listing

    cluster.list = then_ready  # type: ignore[method-assign]
    assert find_agent_place(lambda: cluster, "n", wait=timedelta(seconds=5)).pod == "codex-1"


def test_pod_that_never_runs_is_said_with_its_reason() -> None:
    with pytest.raises(NotReady, match="codex-1 is Running, ImagePullBackOff"):
        place_in(pod(state={"waiting": {"reason": "ImagePullBackOff"}}))
    with pytest.raises(NotReady, match="no pods"):
        place_in()


def test_no_deployment_names_both_ways_out() -> None:
    with pytest.raises(ConfigError, match=r"services\.yaml.*--executor runner"):
        find_agent_place(MemoryCluster, "n", wait=NOW)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (pod(), ""),
        (None, "deleted"),
        (pod(uid="another"), "replaced"),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), "being deleted"),
        (pod() | {"status": {"phase": "Failed", "reason": "Evicted", "message": "disk"}}, "Evicted disk"),
    ],
)
def test_why_a_pod_is_gone(now: Manifest | None, words: str) -> None:
    cluster = MemoryCluster(*([now] if now else []))
    gone = PodPlace(lambda: cluster, "n", "codex-1", "uid-of-codex-1", "codex").gone()
    assert words in gone and bool(gone) is bool(words)


def test_only_this_very_pod_is_deleted() -> None:
    cluster = MemoryCluster(pod(uid="another"))
    PodPlace(lambda: cluster, "n", "codex-1", "uid-of-codex-1").destroy()
    assert cluster.list("v1", "Pod", "n").items


def test_how_a_container_ended_the_last_time() -> None:
    status = {"name": "codex", "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "state": {}}
    assert last_termination({"status": {"containerStatuses": [status]}}, "codex") == "OOMKilled (exit 137)"
    assert last_termination(pod(), "codex") == ""


class Shaky:
    """A place that answers with ``answers`` in turn; the last one stays."""

    window = timedelta(seconds=1)

    def __init__(self, *answers: ExecResult | ApiError, gone: str = "") -> None:
        self.answers, self.why = list(answers), gone
        self.calls: list[Sequence[str]] = []

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        self.calls.append(argv)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApiError):
            raise answer
        return answer

    def gone(self) -> str:
        return self.why

    def destroy(self) -> None: ...

    def owner(self) -> int:
        return 0

    def last_end(self) -> str:
        return ""


HOME = ExecResult(0, b"/workspace/.codexctl/codex\n", b"")
BROKEN = ApiError("broken", status=0, kind="StreamBroken")


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = Pace(sleep=self._sleep, clock=lambda: self.now)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (b"new\n", RunState("new")),
        (b"running\n", RunState("running")),
        (b"lost\n", RunState("lost")),
        (b"finished 0 ended clean yes\n", RunState("finished", 0, "ended", True, True)),
        (b"finished 137 total alive no\n", RunState("finished", 137, "total", False, False)),
    ],
)
def test_state_of_a_run(text: bytes, state: RunState) -> None:
    assert Remote(Shaky(HOME, ExecResult(0, text, b"")), "/workspace", "1-2").state() == state


@pytest.mark.parametrize("text", [b"", b"finished\n", b"finished x ended clean yes\n", b"what is this\n"])
def test_state_that_cannot_be_read_is_an_error(text: bytes) -> None:
    with pytest.raises(CodexctlError, match="state can't be read"):
        Remote(Shaky(HOME, ExecResult(0, text, b"")), "/workspace", "1-2").state()


def test_passing_faults_are_borne() -> None:
    clock = Clock()
    faults = (BROKEN, ApiError("x", status=500), ApiError("x", status=429))
    place = Shaky(*faults, HOME, ExecResult(0, b"new\n", b""))
    assert Remote(place, "/workspace", "1-2", clock.pace).state().word == "new"
    assert len(place.calls) == 5 and 1 < clock.now < 10


def test_contact_lost_for_too_long_is_said_and_names_the_way_back() -> None:
    clock = Clock()
    with pytest.raises(PlaceGone, match="join it"):
        Remote(Shaky(BROKEN), "/workspace", "1-2", clock.pace)
    assert 300 < clock.now < 330


def test_place_that_is_gone_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(PlaceGone, match="the pod was deleted"):
        Remote(Shaky(BROKEN, gone="the pod was deleted"), "/workspace", "1-2", clock.pace)
    assert clock.now == 0


@pytest.mark.parametrize("status", [401, 403])
def test_missing_rights_are_final(status: int) -> None:
    clock = Clock()
    with pytest.raises(ApiError):
        Remote(Shaky(ApiError("no", status=status)), "/workspace", "1-2", clock.pace)
    assert clock.now == 0


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_after_we_were_let_in_is_doubted_for_a_while(status: int) -> None:
    clock, no = Clock(), ApiError("no", status=status)
    running = ExecResult(0, b"running\n", b"")
    # An API server that was away for long and has just started again.
    place = Shaky(HOME, *[BROKEN] * 20, no, no, running)
    assert Remote(place, "/workspace", "1-2", clock.pace).state().word == "running"
    assert clock.now > 120
    clock = Clock()
    with pytest.raises(ApiError) as refused:
        Remote(Shaky(HOME, no), "/workspace", "1-2", clock.pace).state()
    assert refused.value.status == status and 60 <= clock.now < 80


def test_folder_that_cannot_be_written_says_where() -> None:
    place = Shaky(ExecResult(1, b"", b"mkdir: Read-only file system"))
    with pytest.raises(CodexctlError, match=r"Read-only file system[\s\S]*/workspace \(or CODEX_HOME\)"):
        Remote(place, "/workspace", "1-2")


def test_nothing_from_outside_is_part_of_a_script() -> None:
    place = Shaky(HOME, ExecResult(0, b"", b""))
    remote = Remote(place, "/work $(id)", "1-2")
    remote.start(timedelta(hours=1), timedelta(minutes=1), "", ["A"])
    remote.stop("can'celled; rm")
    boot, *calls = place.calls
    assert "$(id)" not in boot[2] and boot[4] == "/work $(id)"
    for call in calls:
        assert call[:2] == ["sh", "/workspace/.codexctl/codex/codexctl/agent.sh"]
    assert list(calls[0][4:]) == ["/workspace/.codexctl/codex", "/work $(id)", "3600", "60", "-", "0", "A"]
