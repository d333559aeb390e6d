"""What ends the hope for an object: faults of its pods, and how long each is tolerated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from codexctl_ci.readiness.budgets import Limits, Memory, remember, wakes_at
from codexctl_ci.readiness.judge import Related, judge
from codexctl_ci.readiness.verdict import State, Verdict
from codexctl_ci.stack.objects import Manifest

NOT_FOUND = 'failed to pull and unpack image "r/x:1": failed to resolve reference "r/x:1": r/x:1: not found'
UNAUTHORIZED = "pull access denied: authorization failed: 401 Unauthorized"
FLAKY = 'failed to do request: Head "http://r/v2/": dial tcp 10.0.0.1:5000: connect: connection refused'
TIMES = {"creationTimestamp": "2026-01-01T00:00:00Z"}


def waiting(reason: str, message: str = "", restarts: int = 0, last: Any = None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "app", "restartCount": restarts, "ready": False, "state": state, "lastState": last or {}}


def running(restarts: int = 0, ready: bool = False) -> dict[str, Any]:
    return {"name": "app", "restartCount": restarts, "ready": ready, "state": {"running": {}}}


def ended(code: int, restarts: int = 0) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}}
    return {"name": "app", "restartCount": restarts, "ready": False, "state": state}


def crashed(restarts: int) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return waiting("CrashLoopBackOff", "back-off 10s restarting failed container", restarts, last)


def pod(*containers: dict[str, Any], init: Sequence[dict[str, Any]] = (), owner: str = "rs", **more: Any) -> Manifest:
    meta = {
        "name": "p",
        "namespace": "ns",
        "uid": "p",
        **TIMES,
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    status = {"phase": "Pending", "containerStatuses": list(containers), "initContainerStatuses": list(init), **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status}


def unschedulable(message: str = "0/1 nodes are available: 1 Insufficient cpu.") -> Manifest:
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}])


DEPLOYMENT: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "api",
        "namespace": "ns",
        "uid": "d",
        "generation": 1,
        "annotations": {"deployment.kubernetes.io/revision": "2"},
    },
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1},
}


def replica_set(uid: str, revision: str) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": uid,
            "uid": uid,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": "d", "controller": True}],
        },
    }


SETS = [replica_set("old", "1"), replica_set("rs", "2")]


def follow(steps: Sequence[tuple[float, Manifest]], subject: Manifest = DEPLOYMENT) -> list[Verdict]:
    """The verdict after each (time, pod) seen in turn."""
    memory: Memory | None = None
    verdicts = []
    for now, seen in steps:
        memory = remember(memory, seen, now)
        verdicts.append(judge(subject, Related([seen], SETS, {"p": memory}), now))
    return verdicts


FATAL: list[tuple[str, list[tuple[float, Manifest]], str]] = [
    ("bad image name", [(0, pod(waiting("InvalidImageName")))], "InvalidImageName"),
    ("image that is never pulled", [(0, pod(waiting("ErrImageNeverPull")))], "ErrImageNeverPull"),
    ("same in an init container", [(0, pod(init=[waiting("InvalidImageName")]))], "InvalidImageName"),
    (
        "image not found, twice",
        [
            (0, pod(waiting("ErrImagePull", NOT_FOUND))),
            (1, pod(waiting("ImagePullBackOff", f"Back-off pulling image: {NOT_FOUND}"))),
            (12, pod(waiting("ErrImagePull", NOT_FOUND))),
        ],
        "ErrImagePull",
    ),
    (
        "no right to pull, twice",
        [
            (0, pod(waiting("ErrImagePull", UNAUTHORIZED))),
            (1, pod(waiting("ImagePullBackOff", UNAUTHORIZED))),
            (12, pod(waiting("ErrImagePull", UNAUTHORIZED))),
        ],
        "ErrImagePull",
    ),
    (
        "crash loop, third restart",
        [(0, pod(running())), (1, pod(crashed(0))), (2, pod(crashed(1))), (20, pod(crashed(2))), (50, pod(crashed(3)))],
        "CrashLoopBackOff",
    ),
    ("crash seen before its back-off", [(0, pod(running())), (50, pod(ended(1, 3)))], "CrashLoopBackOff"),
    (
        "crash loop of an init container",
        [(0, pod(init=[crashed(0)])), (9, pod(init=[crashed(2)])), (50, pod(init=[crashed(3)]))],
        "CrashLoopBackOff",
    ),
    (
        "old crash loop, one more try in a minute",
        [(0, pod(crashed(9))), (30, pod(running(10))), (31, pod(crashed(10))), (60, pod(crashed(10)))],
        "CrashLoopBackOff",
    ),
    (
        "missing Secret that stays away",
        [
            (0, pod(waiting("CreateContainerConfigError", 'secret "s" not found'))),
            (20, pod(waiting("CreateContainerConfigError", 'secret "s" not found'))),
        ],
        "CreateContainerConfigError",
    ),
    ("no room for a minute", [(0, unschedulable()), (60, unschedulable())], "Unschedulable"),
]


@pytest.mark.parametrize(("steps", "reason"), [row[1:] for row in FATAL], ids=[row[0] for row in FATAL])
def test_spent_budget_is_fatal_and_not_a_moment_earlier(steps: list[tuple[float, Manifest]], reason: str) -> None:
    *before, last = follow(steps)
    assert [verdict.state for verdict in before] == [State.PROGRESSING] * len(before)
    assert (last.state, last.reason) == (State.FAILED, reason)
    assert last.pod is not None and last.pod.name == "p" and last.pod.namespace == "ns"


TOLERATED: list[tuple[str, list[tuple[float, Manifest]]]] = [
    (
        "starts on the third try",
        [(0, pod(running())), (1, pod(crashed(1))), (20, pod(crashed(2))), (99, pod(running(2)))],
    ),
    ("third restart that runs", [(0, pod(running())), (50, pod(running(3)))]),
    (
        "registry away for a while",
        [(t, pod(waiting(reason, FLAKY))) for t, reason in enumerate(["ErrImagePull", "ImagePullBackOff"] * 20)],
    ),
    (
        "not found once, then the registry is away",
        [
            (0, pod(waiting("ErrImagePull", NOT_FOUND))),
            (9, pod(waiting("ErrImagePull", FLAKY))),
            (30, pod(waiting("ImagePullBackOff", FLAKY))),
        ],
    ),
    (
        "one failed pull, long back-off",
        [(0.0, pod(waiting("ErrImagePull", NOT_FOUND)))]
        + [(float(t), pod(waiting("ImagePullBackOff", NOT_FOUND))) for t in range(1, 9)],
    ),
    (
        "same failed pull seen twice",
        [(0, pod(waiting("ErrImagePull", NOT_FOUND))), (1, pod(waiting("ErrImagePull", NOT_FOUND)))],
    ),
    (
        "ConfigMap that comes late",
        [
            (0, pod(waiting("CreateContainerConfigError"))),
            (15, pod(waiting("ContainerCreating"))),
            (16, pod(waiting("CreateContainerConfigError"))),
            (30, pod(waiting("CreateContainerConfigError"))),
        ],
    ),
    ("room after 59 s", [(0, unschedulable()), (59.9, unschedulable()), (61, pod(waiting("ContainerCreating")))]),
    ("no room, then room, then none", [(0, unschedulable()), (50, pod()), (61, unschedulable())]),
    ("failing probe", [(0, pod(running())), (600, pod(running()))]),
    ("init container that has done its work", [(0, pod(init=[ended(0, 0)])), (99, pod(init=[ended(0, 0)]))]),
    ("old crash loop that is given its try", [(0, pod(crashed(9))), (70, pod(crashed(9))), (80, pod(running(10)))]),
    ("any other reason", [(0, pod(waiting("CreateContainerError"))), (500, pod(waiting("CreateContainerError")))]),
]


@pytest.mark.parametrize("steps", [row[1] for row in TOLERATED], ids=[row[0] for row in TOLERATED])
def test_what_may_still_become_ready_is_tolerated(steps: list[tuple[float, Manifest]]) -> None:
    assert {verdict.state for verdict in follow(steps)} == {State.PROGRESSING}


def test_pods_of_older_replica_sets_do_not_count() -> None:
    bad = pod(waiting("InvalidImageName"), owner="old")
    verdict = judge(DEPLOYMENT, Related([bad], SETS, {"p": remember(None, bad, 0)}), 0)
    assert verdict.state is State.PROGRESSING and verdict.pod is None


def test_pods_do_not_count_before_the_new_replica_set_is_there() -> None:
    bad = pod(waiting("InvalidImageName"), owner="old")
    related = Related([bad], [replica_set("old", "1")], {"p": remember(None, bad, 0)})
    assert judge(DEPLOYMENT, related, 0).state is State.PROGRESSING


def test_pods_do_not_count_before_the_controller_has_seen_the_change() -> None:
    late = {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "generation": 2}}
    bad = pod(waiting("InvalidImageName"))
    verdict = judge(late, Related([bad], SETS, {"p": remember(None, bad, 0)}), 0)
    assert (verdict.state, verdict.reason) == (State.PROGRESSING, "Observing")


def test_pods_that_are_being_deleted_do_not_count() -> None:
    bad = pod(waiting("InvalidImageName"))
    bad["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert judge(DEPLOYMENT, Related([bad], SETS, {"p": remember(None, bad, 0)}), 0).state is State.PROGRESSING


def test_ready_object_is_ready_whatever_its_pods_do() -> None:
    counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    up = {**DEPLOYMENT, "status": {**counts, "conditions": [{"type": "Available", "status": "True"}]}}
    bad = pod(crashed(9))
    assert judge(up, Related([bad], SETS, {"p": remember(None, bad, 0)}), 0).ready


JOB: Manifest = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "m", "uid": "j"},
    "spec": {},
    "status": {},
}


def test_job_counts_its_own_crashes() -> None:
    steps = [(0.0, pod(running(), owner="j")), (50.0, pod(crashed(5), owner="j"))]
    assert {verdict.state for verdict in follow(steps, JOB)} == {State.PROGRESSING}


def test_job_does_not_wait_for_a_bad_image() -> None:
    assert follow([(0, pod(waiting("InvalidImageName"), owner="j"))], JOB)[-1].fatal


def test_failed_job_points_at_its_container() -> None:
    done = {**JOB, "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}
    verdict = follow([(0, pod(ended(3), owner="j"))], done)[-1]
    assert (verdict.reason, verdict.container, verdict.crashed) == ("BackoffLimitExceeded", "app", False)


@pytest.mark.parametrize(
    ("kind", "label"), [("StatefulSet", "controller-revision-hash"), ("DaemonSet", "pod-template-generation")]
)
def test_only_pods_of_the_newest_revision_count_unless_old_ones_may_stay(kind: str, label: str) -> None:
    subject: Manifest = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": "s",
            "uid": "s",
            "generation": 1,
            "annotations": {"deprecated.daemonset.template.generation": "2"},
        },
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "updateRevision": "2", "currentRevision": "1", "desiredNumberScheduled": 1},
    }
    for revision, state in (("1", State.PROGRESSING), ("2", State.FAILED)):
        bad = pod(waiting("InvalidImageName"), owner="s")
        bad["metadata"]["labels"] = {label: revision}
        assert follow([(0, bad)], subject)[-1].state is state
        by_hand = {**subject, "spec": {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}}
        assert follow([(0, bad)], by_hand)[-1].state is State.FAILED


def test_crash_says_how_the_container_ended_and_where_its_log_is() -> None:
    verdict = follow([(0, pod(running())), (50, pod(crashed(3)))])[-1]
    assert "exit code 1" in verdict.message and "3 times" in verdict.message
    assert (verdict.container, verdict.crashed) == ("app", True)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (unschedulable(), 100 + 60),
        (pod(waiting("CreateContainerConfigError")), 100 + 20),
        (pod(crashed(9)), 100 + 60),
        (pod(running()), None),
        (pod(waiting("ErrImagePull", NOT_FOUND)), None),
    ],
)
def test_when_to_look_again_is_known(seen: Manifest, expected: float | None) -> None:
    assert wakes_at(remember(None, seen, 100), seen, 101, Limits()) == expected
