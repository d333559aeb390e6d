"""The project's Leases as they change: a list, then a watch in a thread of its own."""

from __future__ import annotations

import queue
import threading

from codexctl_ci.ports import Change, ClusterApi
from codexctl_ci.slots.leases import API_VERSION, KIND, selector
from codexctl_ci.stack.objects import Manifest


class LeaseFeed:
    """All Leases of a project by name, kept up to date by ``take``. Close it when done."""

    def __init__(self, cluster: ClusterApi, namespace: str, project: str) -> None:
        self._cluster = cluster
        self._where = (namespace, selector(project))
        self.objects: dict[str, Manifest] = {}
        self._version = ""
        self._changes: queue.SimpleQueue[Change | Exception] = queue.SimpleQueue()
        self._watch: threading.Thread | None = None
        self._stop = threading.Event()
        self.relist()

    def relist(self) -> None:
        """Read everything anew; a watch that is going on starts over from there."""
        namespace, labels = self._where
        self._end()
        listing = self._cluster.list(API_VERSION, KIND, namespace, labels=labels)
        self.objects = {item["metadata"]["name"]: item for item in listing.items}
        self._version = listing.resource_version

    def set(self, manifest: Manifest) -> None:
        """Note an object as our own write answered with it."""
        self.objects[manifest["metadata"]["name"]] = manifest

    def drop(self, name: str) -> None:
        """Note that an object is gone."""
        self.objects.pop(name, None)

    def take(self, seconds: float) -> str:
        """Wait for the next change, at most ``seconds``, and note it; the object's name, empty where none came.

        An error of the watch is raised here. Our own newer writes are not undone by older news.
        """
        if self._watch is None:
            self._start()
        try:
            change = self._changes.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return ""
        if isinstance(change, Exception):
            self._end()
            raise change
        name = str(change.object["metadata"]["name"])
        known = self.objects.get(name)
        if change.kind == "DELETED":
            if known is None or known["metadata"].get("uid") == change.object["metadata"].get("uid"):
                self.objects.pop(name, None)
        elif known is None or _version(known) <= _version(change.object):
            self.objects[name] = change.object
        return name

    def close(self) -> None:
        """End the watch."""
        self._end()

    def _start(self) -> None:
        namespace, labels = self._where
        watch = self._cluster.watch(
            API_VERSION, KIND, namespace, since=self._version, labels=labels, known=[*self.objects.values()]
        )
        changes: queue.SimpleQueue[Change | Exception] = queue.SimpleQueue()

        def pump() -> None:
            try:
                for change in watch:
                    changes.put(change)
            except Exception as error:  # noqa: BLE001 - it is raised where the changes are taken
                changes.put(error)

        self._changes = changes
        self._close = watch.close
        self._watch = threading.Thread(target=pump, name="lease-feed", daemon=True)
        self._watch.start()

    def _end(self) -> None:
        if self._watch is not None:
            self._close()
            self._watch = None


def _version(manifest: Manifest) -> int:
    text = str(manifest["metadata"].get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0
