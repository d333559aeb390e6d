"""A second API server of the sandbox's cluster, for a test to kill and start again: nobody else works through it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import urllib.request
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from sandbox.cluster.waiting import wait_for_port
from sandbox.demo.look import until
from sandbox.state import State

_LIMIT = timedelta(seconds=60)


class SecondApiServer:
    """Same store, same keys, a port of its own."""

    def __init__(self, state: State, log: Path) -> None:
        self._log = log
        self.port = _free_port(state.node_address)
        self._address = (state.node_address, self.port)
        own = {"--secure-port": str(self.port), "--endpoint-reconciler-type": "none"}
        words = [word for word in _running_server() if word.partition("=")[0] not in own]
        self._argv = [*words, *(f"{flag}={value}" for flag, value in own.items())]
        self._process: subprocess.Popen[bytes] | None = None
        connection = load_connection({}, kubeconfig=str(state.kubeconfig))
        self._connection = replace(connection, server=f"https://{state.node_address}:{self.port}")

    def start(self) -> None:
        """Start it, and return when it answers; whether it knows anybody's rights by then is another matter."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for_port(self._address, _LIMIT, self._alive)

    def wait_until_ready(self) -> None:
        """Return when it says that it knows all it must know."""
        context = ssl.create_default_context(cadata=self._connection.ca)
        headers = {"Authorization": f"Bearer {self._connection.token}"}
        wanted = urllib.request.Request(f"{self._connection.server}/readyz", headers=headers)

        def ready() -> bool:
            try:
                with urllib.request.urlopen(wanted, context=context, timeout=5):
                    return True
            except OSError:
                return False

        until(ready, "the second API server is ready", _LIMIT)

    def kill(self) -> None:
        """End it at once, with every stream that goes through it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self, token: str) -> Cluster:
        """An account of the cluster, through this server."""
        return Cluster.open(self._connection.with_token(token))

    def _alive(self) -> None:
        assert self._process is not None and self._process.poll() is None, self._log.read_text()[-2000:]


def _running_server() -> list[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")[:-1]
        except OSError:
            continue
        if words and os.path.basename(words[0]) == "kube-apiserver":  # noqa: PTH119 - a word, no path of ours
            return words
    raise AssertionError("no API server runs here; is this inside the sandbox?")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
