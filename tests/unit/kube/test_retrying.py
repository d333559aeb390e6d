"""How long to wait before the next try, what the time is, which kinds there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.kube.clock import ServerClock
from codexctl_ci.kube.discovery import Discovery
from codexctl_ci.kube.retrying import RetryPolicy, passing
from codexctl_ci.kube.transport import error_from


def test_pauses_grow_to_a_bound_and_obey_the_server() -> None:
    policy = RetryPolicy(first=timedelta(seconds=1), longest=timedelta(seconds=5))
    pauses = [policy.pause(tried) for tried in range(1, 8)]
    assert all(0.75 * want <= got <= 1.25 * want for got, want in zip(pauses, [1, 2, 4, 5, 5, 5, 5], strict=True))
    assert 3.0 <= policy.pause(1, "3") <= 3.3
    assert policy.pause(1, "100000") <= 66
    assert policy.pause(1, "nonsense") <= 1.25


@pytest.mark.parametrize(
    ("status", "again"),
    [(429, True), (500, True), (502, True), (503, True), (504, True), (408, True), (501, False)]
    + [(status, False) for status in (400, 401, 403, 404, 409, 410, 422)],
)
def test_which_answers_are_worth_another_try(status: int, again: bool) -> None:
    assert passing(status, {}) is again
    assert passing(status, {"Retry-After": "1"}) is True


def test_clock_moves_on_by_our_own_steady_one() -> None:
    uptime = [100.0]
    clock = ServerClock(lambda: uptime[0])
    assert clock.now() is None
    clock.learn("Sat, 21 Nov 2026 09:00:00 GMT")
    uptime[0] += 90
    assert clock.now() == datetime(2026, 11, 21, 9, 1, 30, tzinfo=UTC)
    clock.learn("Sat, 21 Nov 2026 09:00:00 GMT")
    assert clock.now() == datetime(2026, 11, 21, 9, 1, 30, tzinfo=UTC), "a header seen before is older than it says"
    clock.learn("not a date")
    clock.learn(None)
    clock.learn("Sat, 21 Nov 2026 10:00:00 GMT")
    assert clock.now() == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_servers_without_aggregated_discovery_are_asked_group_by_group(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [{"versions": [{"groupVersion": "apps/v1"}]}]},
        "/api/v1": {
            "resources": [
                {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
                {"name": "pods/log", "kind": "Pod", "namespaced": True},
            ]
        },
        "/apis/apps/v1": {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}]},
    }
    discovery = Discovery(lambda path, accept: answers[path], lambda: "v1.20", "https://k", tmp_path)
    assert discovery.find("deployment") == ("apps/v1", "Deployment")
    pod = discovery.resource("v1", "Pod")
    assert pod is not None and (pod.plural, pod.verbs) == ("pods", ("get",))


def test_words_for_kinds_prefer_kubernetes_own() -> None:
    def group(name: str, version: str, plural: str, kind: str) -> dict[str, Any]:
        row = {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": []}
        return {"metadata": {"name": name}, "versions": [{"version": version, "resources": [row]}]}

    def read(path: str, accept: str) -> Any:
        items = (
            []
            if path == "/api"
            else [
                group("other.example", "v1", "ingresses", "Ingress"),
                group("networking.k8s.io", "v1", "ingresses", "Ingress"),
                group("cert-manager.io", "v1", "certificates", "Certificate"),
            ]
        )
        return {"kind": "APIGroupDiscoveryList", "items": items}

    discovery = Discovery(read, lambda: "v1", "https://k")
    assert discovery.find("Ingress") == ("networking.k8s.io/v1", "Ingress")
    assert discovery.find("ingresses.other.example") == ("other.example/v1", "Ingress")
    assert discovery.find("certificate") == ("cert-manager.io/v1", "Certificate")
    assert discovery.find("nonsense") is None


def test_answer_that_is_no_status_is_told_as_it_is() -> None:
    error = error_from(502, b"<html>bad gateway</html>", "read", "Pod/x", False)
    assert (error.status, error.kind, error.passing) == (502, "", True)
    assert "bad gateway" in str(error) and "Pod/x" in str(error)
