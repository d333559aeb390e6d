"""A watch that outlives broken connections, idle proxies and lost history."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.retrying import RetryPolicy
from codexctl_ci.kube.transport import Transport, describe, log
from codexctl_ci.ports import Change, Listing
from codexctl_ci.stack.objects import Manifest

# Bookmarks come about once a minute: silence for longer than this means a dead connection.
_SILENCE_SECONDS = 90.0
_ROUND_SECONDS = 300.0


class Watch:
    """Implements ``ports.Watching``; see ``ports.ClusterApi.watch``. ``query`` holds the selectors."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        query: str,
        *,
        relist: Callable[[], Listing],
        since: str,
        timeout: timedelta | None,
        known: Iterable[Manifest],
        what: str,
    ) -> None:
        self._transport = transport
        self._path = path
        self._query = query
        self._relist = relist
        self._version = since
        self._what = what
        self._end = None if timeout is None else time.monotonic() + timeout.total_seconds()
        self._known = {_key(item): item for item in known}
        self._ready: deque[Change] = deque()
        self._lines: Iterator[bytes] | None = None
        self._response: urllib3.BaseHTTPResponse | None = None
        self._closed = False
        self._failures = 0

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        while True:
            if self._closed or self._remaining() <= 0:
                self._drop()
                raise StopIteration
            if self._ready:
                return self._ready.popleft()
            if self._lines is None:
                self._connect()
                continue
            try:
                line = next(self._lines, None)
            except (HTTPError, OSError, ValueError, AttributeError) as error:
                # AttributeError, ValueError: the response was closed under us by another thread.
                self._drop()
                if not self._closed:
                    log.debug("%s: stream broke (%s), connecting again", self._what, describe(error))
                    self._failures += 1
                    self._rest(None)
                continue
            if line is None:
                self._drop()
            elif line.strip():
                self._take(line)

    def close(self) -> None:
        self._closed = True
        response = self._response
        if response is not None:
            # The errors: already given back or closed, and then nobody waits in it.
            with contextlib.suppress(ValueError, RuntimeError, OSError, AttributeError):
                response.shutdown()

    def _remaining(self) -> float:
        return float("inf") if self._end is None else self._end - time.monotonic()

    def _connect(self) -> None:
        seconds = min(self._remaining(), _ROUND_SECONDS)
        query = "&".join(
            part
            for part in (
                "watch=1&allowWatchBookmarks=true",
                f"timeoutSeconds={max(1, round(seconds + 0.5))}",
                f"resourceVersion={self._version}" if self._version else "",
                self._query,
            )
            if part
        )
        try:
            response = self._transport.stream(
                self._path, query, what=self._what, seconds=min(seconds + 1.0, _SILENCE_SECONDS)
            )
        except ApiError as error:
            if error.status == 410:
                self._start_over()
                return
            self._failures += 1
            if not (error.passing or error.status == 401) or self._failures >= self._transport.policy.tries:
                raise
            self._rest(error)
            return
        self._response = response
        self._lines = _lines(response)
        if self._closed:
            self.close()

    def _rest(self, error: ApiError | None) -> None:
        pause = self._policy.pause(max(1, self._failures))
        self._transport.pause(max(0.0, min(pause, self._remaining())))

    @property
    def _policy(self) -> RetryPolicy:
        return self._transport.policy

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            # Half a line: the connection broke in the middle of it.
            self._drop()
            return
        kind, found = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            self._drop()
            if found.get("code") == 410 or found.get("reason") == "Expired":
                self._start_over()
                return
            self._failures += 1
            if self._failures >= self._policy.tries:
                raise ApiError(
                    self._what,
                    status=int(found.get("code") or 0),
                    kind=str(found.get("reason") or ""),
                    reason=str(found.get("message") or ""),
                )
            self._rest(None)
            return
        self._failures = 0
        version = (found.get("metadata") or {}).get("resourceVersion")
        if version:
            self._version = version
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            self._emit(kind, found)

    def _emit(self, kind: str, found: Manifest) -> None:
        if kind == "DELETED":
            self._known.pop(_key(found), None)
        else:
            self._known[_key(found)] = _stub(found)
        self._ready.append(Change(kind, found))

    def _start_over(self) -> None:
        log.debug("%s: history is gone, listing again", self._what)
        listing = self._relist()
        self._version = listing.resource_version
        there = {_key(item) for item in listing.items}
        for key, item in [*self._known.items()]:
            if key not in there:
                self._emit("DELETED", item)
        for item in listing.items:
            self._emit("MODIFIED", item)

    def _drop(self) -> None:
        response, self._response, self._lines = self._response, None, None
        if response is not None:
            response.close()


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        rest += chunk
        *whole, rest = rest.split(b"\n")
        yield from whole
    if rest:
        yield rest


def _key(item: Manifest) -> tuple[str, str, str]:
    meta = item["metadata"]
    return (meta.get("namespace") or "", meta.get("name") or "", meta.get("uid") or "")


def _stub(item: Manifest) -> Manifest:
    """What is needed to say later that it is gone; whole objects would cost memory."""
    meta: dict[str, Any] = item["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "labels", "annotations", "ownerReferences")
    return {
        "apiVersion": item.get("apiVersion", ""),
        "kind": item.get("kind", ""),
        "metadata": {key: meta[key] for key in kept if key in meta},
    }
