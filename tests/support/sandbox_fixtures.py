"""Fixtures of tests that run inside the sandbox; they find it in `SANDBOX_STATE`, which `make test` sets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.state import VARIABLE, State, read_state
from tests.support.cluster import fresh_namespace
from tests.support.kubectl import Kubectl


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests that use the sandbox, so that `-m 'not sandbox'` leaves them out."""
    for item in items:
        if "sandbox" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.sandbox)


@pytest.fixture(scope="session")
def sandbox() -> State:
    """The sandbox that this test run shares; the test itself runs inside it."""
    file = os.environ.get(VARIABLE)
    if not file:
        pytest.fail("this test runs inside the sandbox: make test ARGS='...', or see sandbox/README.md", pytrace=False)
    return read_state(Path(file))


@pytest.fixture(scope="session")
def admin(sandbox: State) -> Kubectl:
    """kubectl as cluster administrator, in namespace `default`."""
    return Kubectl(sandbox.kubeconfig)


@pytest.fixture
def namespace(admin: Kubectl) -> Iterator[str]:
    """A namespace of the test's own, removed after it."""
    with fresh_namespace(admin) as name:
        yield name


@pytest.fixture
def kubectl(admin: Kubectl, namespace: str) -> Kubectl:
    """kubectl as administrator in the test's own namespace."""
    return admin.within(namespace)
