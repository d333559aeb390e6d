"""Watches of several kinds at once, each in a thread, merged into one queue."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from codexctl_ci.errors import ApiError, TransportError
from codexctl_ci.ports import Change, ClusterApi, Listing, Watching

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What one watch covers. ``name`` narrows it to a single object."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""

    @property
    def fields(self) -> str:
        return f"metadata.name={self.name}" if self.name else ""


@dataclass(frozen=True, slots=True)
class Retries:
    """Tries after transport faults: how many in a row, and the first pause, which doubles."""

    count: int = 3
    backoff: timedelta = timedelta(seconds=5)


class Watches:
    """The watches of one wait. Leave the ``with`` block to end them."""

    def __init__(self, cluster: ClusterApi, retries: Retries) -> None:
        self._cluster = cluster
        self._retries = retries
        self._queue: queue.SimpleQueue[Change | Exception] = queue.SimpleQueue()
        self._over = threading.Event()
        self._open: list[Watching] = []

    def __enter__(self) -> Watches:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for watching in self._open:
            watching.close()

    def follow(self, target: Target, start: Listing) -> None:
        """Watch ``target`` from its listing on."""
        threading.Thread(target=self._run, args=(target, start), name=f"watch {target.kind}", daemon=True).start()

    def take(self, seconds: float) -> list[Change]:
        """All changes that have come, waiting at most ``seconds`` for the first. Raises what ended a watch."""
        try:
            items = [self._queue.get(timeout=max(0.0, seconds))]
        except queue.Empty:
            return []
        # Those that are there now: who adds faster than we take must not keep us here.
        items += [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        found: list[Change] = []
        for item in items:
            if isinstance(item, Exception):
                raise item
            found.append(item)
        return found

    def _run(self, target: Target, start: Listing) -> None:
        since, known, faults = start.resource_version, start.items, 0
        while not self._over.is_set():
            try:
                watching = self._cluster.watch(
                    target.api_version,
                    target.kind,
                    target.namespace,
                    since=since,
                    fields=target.fields,
                    known=known,
                )
                self._open.append(watching)
                if self._over.is_set():
                    watching.close()
                for change in watching:
                    faults = 0
                    since = str(change.object.get("metadata", {}).get("resourceVersion") or since)
                    self._queue.put(change)
            except TransportError as error:
                faults += 1
                if not _passing(error) or faults > self._retries.count:
                    self._queue.put(error)
                    return
                log.warning("watch of %s was broken, trying again: %s", target.kind, error)
                self._over.wait(self._retries.backoff.total_seconds() * 2 ** (faults - 1))
            except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits must hear of it
                self._queue.put(error)
                return


def _passing(error: TransportError) -> bool:
    return not isinstance(error, ApiError) or error.passing


def retried(call: Callable[[], T], retries: Retries, pause: Callable[[float], object]) -> T:
    """The result of ``call``, tried again after transport faults. ``pause`` waits for some seconds."""
    for attempt in range(retries.count + 1):
        try:
            return call()
        except TransportError as error:
            if not _passing(error) or attempt == retries.count:
                raise
            log.warning("trying again: %s", error)
            pause(retries.backoff.total_seconds() * 2**attempt)
    raise AssertionError("unreachable")


def listed(cluster: ClusterApi, target: Target) -> Listing:
    """The objects of ``target`` and the resource version to watch from."""
    return cluster.list(target.api_version, target.kind, target.namespace, fields=target.fields)
