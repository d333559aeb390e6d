"""Waits with a bound for programs to come up: on their sockets, and on what the API server's watches tell."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.cluster.layout import API_PORT, NODE_ADDRESS

PROBE_INTERVAL = timedelta(milliseconds=25)


class NotUp(Exception):
    """Something did not come up in time, or ended while it was waited for."""


def wait_for_port(address: tuple[str, int], limit: timedelta, alive: Callable[[], None]) -> None:
    """Returns when something accepts connections at `address`. `alive` may raise to end the wait."""
    _probe(lambda: _connects(address), limit, alive, f"nothing listens on {address[0]}:{address[1]}")


def wait_for_file(file: Path, limit: timedelta, alive: Callable[[], None]) -> None:
    """Returns when `file` is there."""
    _probe(file.exists, limit, alive, f"{file} was not made")


class Api:
    """The few calls to the API server that bringing it up takes, as its administrator."""

    def __init__(self, kubeconfig: Path, authority: Path) -> None:
        self._token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
        self._tls = ssl.create_default_context(cafile=str(authority))

    def wait_until_ready(self, limit: timedelta, alive: Callable[[], None]) -> None:
        """Returns when the API server says that it is ready to serve."""

        def ready() -> bool:
            try:
                return self._call("GET", "/readyz")[0] == 200
            except (OSError, http.client.HTTPException):
                return False

        _probe(ready, limit, alive, "the API server is not ready")

    def create(self, path: str, body: object) -> None:
        """Creates an object below `path`; content with one that is there already."""
        status, answer = self._call("POST", path, json.dumps(body))
        if status not in (200, 201, 409):
            raise NotUp(f"POST {path} was answered {status}: {answer.decode(errors='replace')[:500]}")

    def wait_for(self, path: str, holds: Callable[[Any], bool], limit: timedelta, what: str) -> None:
        """Returns when an object of the collection at `path` (with its query) satisfies `holds`."""
        deadline = time.monotonic() + limit.total_seconds()
        while time.monotonic() < deadline:
            try:
                if any(holds(item) for item in self._watch(path, deadline)):
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(PROBE_INTERVAL.total_seconds())
        raise NotUp(f"{what} did not happen in {limit.total_seconds():.0f} s")

    def _watch(self, path: str, deadline: float) -> Iterator[Any]:
        seconds = max(1, int(deadline - time.monotonic()))
        separator = "&" if "?" in path else "?"
        with closing(self._connection(seconds + 1)) as connection:
            connection.request("GET", f"{path}{separator}watch=1&timeoutSeconds={seconds}", headers=self._headers())
            answer = connection.getresponse()
            for line in answer if answer.status == 200 else ():
                yield json.loads(line)["object"]

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        with closing(self._connection(10)) as connection:
            connection.request(method, path, body, self._headers())
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _connection(self, seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(NODE_ADDRESS, API_PORT, timeout=seconds, context=self._tls)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}


def _connects(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


def _probe(holds: Callable[[], bool], limit: timedelta, alive: Callable[[], None], failure: str) -> None:
    deadline = time.monotonic() + limit.total_seconds()
    while not holds():
        alive()
        if time.monotonic() > deadline:
            raise NotUp(f"{failure} after {limit.total_seconds():.0f} s")
        time.sleep(PROBE_INTERVAL.total_seconds())
