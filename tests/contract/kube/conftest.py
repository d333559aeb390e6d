"""A real API server, the client for it, and a namespace for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.kube.retrying import RetryPolicy
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import FaultyProxy
from sandbox.state import State

QUICK = RetryPolicy(tries=6, first=timedelta(milliseconds=10), longest=timedelta(milliseconds=200))


@pytest.fixture(scope="session")
def kubeconfig(sandbox: State) -> Path:
    """The administrator's kubeconfig."""
    return sandbox.kubeconfig


@pytest.fixture(scope="session")
def connection(kubeconfig: Path) -> Connection:
    return load_connection({}, kubeconfig=str(kubeconfig))


@pytest.fixture(scope="session")
def cluster(connection: Connection, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The administrator's client."""
    return Cluster.open(connection, policy=QUICK, cache_dir=tmp_path_factory.mktemp("discovery"))


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, asked to go away afterwards."""
    name = f"kube-{uuid.uuid4().hex[:10]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    cluster.delete(Ref("v1", "Namespace", name))


@pytest.fixture
def proxy(connection: Connection) -> Iterator[FaultyProxy]:
    """An injecting proxy in front of the API server."""
    with FaultyProxy(connection.server) as made:
        yield made


@pytest.fixture
def through(proxy: FaultyProxy, connection: Connection) -> Cluster:
    """A client that goes through the proxy."""
    return through_proxy(proxy, connection)


def through_proxy(proxy: FaultyProxy, connection: Connection, policy: RetryPolicy = QUICK) -> Cluster:
    """A client that goes through ``proxy``."""
    return Cluster.open(Connection(server=proxy.url, token=connection.token), policy=policy)


def get(cluster: Cluster, kind: str, name: str, namespace: str, api_version: str = "v1") -> Manifest:
    """An object that must be there."""
    found = cluster.get(Ref(api_version, kind, name, namespace))
    assert found is not None
    return found
