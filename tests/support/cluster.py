"""Namespaces and identities in the sandbox's cluster, one of each for a test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.cluster.configuration import kubeconfig
from sandbox.state import State
from tests.support.kubectl import Kubectl


def new_name(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{secrets.token_hex(4)}"


@contextmanager
def fresh_namespace(kubectl: Kubectl, prefix: str = "test") -> Iterator[str]:
    """A namespace in which pods can be created at once; its deletion is asked for at the end, not waited for."""
    name = new_name(prefix)
    kubectl("create", "namespace", name)
    try:
        kubectl.within(name).wait("serviceaccount/default", "create")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def kubeconfig_of_account(state: State, kubectl: Kubectl, account: str, file: Path, minutes: int = 60) -> Path:
    """Writes a kubeconfig that speaks for ServiceAccount `account` of kubectl's namespace, with its rights alone."""
    token = kubectl("create", "token", account, f"--duration={minutes}m").strip()
    file.touch(mode=0o600)
    file.write_text(kubeconfig(account, token, state.authority, kubectl.namespace))
    return file
