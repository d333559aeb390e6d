"""An API server that throttles, restarts and loses answers, and what the client makes of it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from codexctl_ci.errors import ApiError, ConfigError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.retrying import RetryPolicy
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import Cut, Delay, EventGone, FaultyProxy, Refuse, Reset
from tests.contract.kube.conftest import through_proxy

pytestmark = pytest.mark.sandbox


def config_map(namespace: str, name: str = "a", **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def ref(namespace: str, name: str = "a") -> Ref:
    return Ref("v1", "ConfigMap", name, namespace)


@pytest.mark.parametrize(
    "fault",
    [Refuse(429, retry_after=0), Refuse(429), Refuse(500), Refuse(503), Refuse(504), Reset(), Reset(after=True)],
    ids=str,
)
def test_every_verb_survives_a_passing_fault(
    fault: Refuse | Reset, proxy: FaultyProxy, through: Cluster, namespace: str
) -> None:
    through.namespaced("v1", "ConfigMap")
    proxy.on(fault, path="/configmaps", method="POST")
    assert through.create(config_map(namespace, x="1"))["data"] == {"x": "1"}
    proxy.on(fault, path="/configmaps", method="PATCH")
    assert through.apply(config_map(namespace, y="2"))["data"] == {"x": "1", "y": "2"}
    proxy.on(fault, path="/configmaps/a", method="GET")
    found = through.get(ref(namespace))
    assert found is not None
    proxy.on(fault, path="/configmaps", method="PUT")
    assert through.replace(found | {"data": {"z": "3"}})["data"] == {"z": "3"}
    proxy.on(fault, path="/configmaps", method="PATCH")
    assert through.patch(ref(namespace), {"data": {"z": None}}).get("data") is None
    proxy.on(fault, path="/configmaps$", method="GET")
    assert "a" in [item["metadata"]["name"] for item in through.list("v1", "ConfigMap", namespace).items]
    proxy.on(fault, path="/configmaps", method="DELETE")
    assert through.delete(ref(namespace)) is True
    assert through.get(ref(namespace)) is None
    assert not any(rule.left for rule in proxy._rules), "a fault was never injected"


def test_throttled_client_waits_as_long_as_it_was_asked_to(
    proxy: FaultyProxy, through: Cluster, namespace: str
) -> None:
    proxy.on(Refuse(429, retry_after=1), path="/configmaps", times=1)
    started = time.monotonic()
    through.apply(config_map(namespace))
    assert time.monotonic() - started >= 1.0


def test_fault_that_does_not_pass_is_raised_with_its_status(
    proxy: FaultyProxy, connection: Connection, namespace: str
) -> None:
    through = through_proxy(proxy, connection, RetryPolicy(tries=3, first=timedelta(milliseconds=5)))
    proxy.on(Refuse(503), path="/configmaps", times=None)
    with pytest.raises(ApiError) as caught:
        through.apply(config_map(namespace))
    assert (caught.value.status, caught.value.kind, caught.value.passing) == (503, "ServiceUnavailable", True)
    assert "ConfigMap/a" in str(caught.value)
    assert proxy.count(path="/configmaps") == 3


def test_refusal_is_asked_only_once(proxy: FaultyProxy, through: Cluster, namespace: str) -> None:
    with pytest.raises(ApiError) as caught:
        through.apply(config_map(namespace, name="Not A Name"))
    assert caught.value.status in (400, 422)
    assert proxy.count(path="/configmaps") == 1


def test_create_of_what_is_there_says_already_exists(through: Cluster, namespace: str) -> None:
    through.create(config_map(namespace, x="1"))
    with pytest.raises(ApiError) as caught:
        through.create(config_map(namespace, x="1"))
    assert (caught.value.status, caught.value.kind, caught.value.ambiguous) == (409, "AlreadyExists", False)


def test_create_whose_answer_was_lost_does_not_take_anothers_object_for_its_own(
    proxy: FaultyProxy, through: Cluster, namespace: str
) -> None:
    through.create(config_map(namespace, holder="other"))
    proxy.on(Reset(after=True), method="POST", path="/configmaps")
    with pytest.raises(ApiError) as caught:
        through.create(config_map(namespace, holder="me"))
    assert (caught.value.status, caught.value.ambiguous) == (409, True)


def test_compare_and_swap_that_went_through_unheard_is_no_conflict(
    proxy: FaultyProxy, through: Cluster, namespace: str
) -> None:
    made = through.create(config_map(namespace, holder="old"))
    proxy.on(Reset(after=True), method="PUT", path="/configmaps")
    assert through.replace(made | {"data": {"holder": "me"}})["data"] == {"holder": "me"}
    with pytest.raises(ApiError) as caught:
        through.replace(made | {"data": {"holder": "late"}})
    assert (caught.value.status, caught.value.kind) == (409, "Conflict")


def test_delete_with_the_uid_of_an_older_object_is_refused(through: Cluster, namespace: str) -> None:
    old = through.create(config_map(namespace))["metadata"]["uid"]
    assert through.delete(ref(namespace), uid=old) is True
    through.create(config_map(namespace))
    with pytest.raises(ApiError) as caught:
        through.delete(ref(namespace), uid=old)
    assert caught.value.status == 409
    assert through.get(ref(namespace)) is not None


@pytest.mark.parametrize("fault", [Cut(after=1), EventGone(after=1), EventGone(after=0), Refuse(410), Reset()], ids=str)
def test_watch_sees_every_last_state_through_faults(
    fault: Cut | EventGone | Refuse | Reset, proxy: FaultyProxy, through: Cluster, cluster: Cluster, namespace: str
) -> None:
    cluster.create(config_map(namespace, "old"))
    listing = through.list("v1", "ConfigMap", namespace)
    proxy.on(fault, path="/configmaps", query="watch=1")
    cluster.create(config_map(namespace, "a"))
    cluster.create(config_map(namespace, "b"))
    cluster.delete(ref(namespace, "old"))
    watch = through.watch(
        "v1", "ConfigMap", namespace, since=listing.resource_version, timeout=timedelta(seconds=20), known=listing.items
    )
    there = {item["metadata"]["name"] for item in listing.items}
    for change in watch:
        name = change.object["metadata"]["name"]
        if change.kind == "DELETED":
            there.discard(name)
        else:
            there.add(name)
        if {"a", "b"} <= there and "old" not in there:
            break
    else:
        raise AssertionError(f"the watch ended with {there}")
    watch.close()


def test_watch_ends_when_its_time_is_over(through: Cluster, namespace: str) -> None:
    started = time.monotonic()
    watch = through.watch("v1", "Secret", namespace, since="", timeout=timedelta(seconds=0.5))
    assert list(watch) == []
    assert 0.4 < time.monotonic() - started < 3


def test_watch_is_ended_from_another_thread(cluster: Cluster, namespace: str) -> None:
    watch = cluster.watch("v1", "Secret", namespace, since="")
    timer = threading.Timer(0.2, watch.close)
    timer.start()
    started = time.monotonic()
    assert list(watch) == []
    assert time.monotonic() - started < 5


def test_nobody_listening_is_told_as_such(connection: Connection) -> None:
    policy = RetryPolicy(tries=2, first=timedelta(milliseconds=5))
    with pytest.raises(ApiError) as caught:
        Cluster.open(Connection(server="http://127.0.0.1:1"), policy=policy).get(ref("x"))
    assert (caught.value.status, caught.value.ambiguous) == (0, False)
    assert "127.0.0.1:1" in str(caught.value)


def test_unknown_authority_is_told_and_not_retried(connection: Connection) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        Cluster.open(Connection(server=connection.server, token="x")).get(ref("x"))
    assert "certificate-authority" in str(caught.value)
    assert time.monotonic() - started < 2


def test_time_is_the_servers(proxy: FaultyProxy, through: Cluster) -> None:
    proxy.on(Delay(0.01), times=None)
    first = through.now()
    through.get(ref("default", "none"))
    assert timedelta(seconds=-1) <= through.now() - first < timedelta(seconds=5)
