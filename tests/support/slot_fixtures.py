"""Slots on a real API server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.kube.retrying import RetryPolicy
from sandbox.faulty_proxy import FaultyProxy
from sandbox.state import State
from tests.support.slot_scene import SlotScene

QUICK = RetryPolicy(tries=3, first=timedelta(milliseconds=5), longest=timedelta(milliseconds=20))


@pytest.fixture(scope="session")
def connection(sandbox: State) -> Connection:
    return load_connection({}, kubeconfig=str(sandbox.kubeconfig))


@pytest.fixture(scope="session")
def cluster(connection: Connection, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster.open(connection, cache_dir=tmp_path_factory.mktemp("discovery"))


@pytest.fixture
def scene(cluster: Cluster) -> Iterator[SlotScene]:
    """A project of the test's own with three slots."""
    tag = uuid.uuid4().hex[:8]
    made = SlotScene(cluster, f"records-{tag}", f"p{tag}")
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.namespace}})
    yield made
    made.end()


@pytest.fixture
def proxy(connection: Connection) -> Iterator[FaultyProxy]:
    with FaultyProxy(connection.server) as made:
        yield made


@pytest.fixture
def through(proxy: FaultyProxy, connection: Connection, cluster: Cluster) -> Cluster:
    """A client that goes through the proxy and gives up soon."""
    return Cluster.open(Connection(server=proxy.url, token=connection.token), policy=QUICK)
