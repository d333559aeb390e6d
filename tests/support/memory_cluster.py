"""A cluster in memory for tests of operations: objects by name, resource versions, watches; no controllers.

A test plays the controllers: it writes status with ``put`` and takes objects away with ``remove``.
"""

from __future__ import annotations

import copy
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from codexctl_ci.errors import ApiError
from codexctl_ci.ports import Change, ClusterApi, ExecResult, Listing
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

END = object()


class MemoryWatch:
    """A watch over the memory, ended by ``close``."""

    def __init__(self, accepts: Callable[[Manifest], bool], timeout: timedelta | None = None) -> None:
        self.accepts = accepts
        self._end = None if timeout is None else time.monotonic() + timeout.total_seconds()
        self.queue: queue.SimpleQueue[Change | Exception | object] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        try:
            item = self.queue.get(timeout=None if self._end is None else max(0.0, self._end - time.monotonic()))
        except queue.Empty:
            raise StopIteration from None
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, Change):
            raise StopIteration
        return item

    def close(self) -> None:
        self.queue.put(END)


class MemoryCluster(ClusterApi):
    """``calls`` lists each request as (verb, what); ``faults`` holds errors to raise by (verb, kind).

    ``denied`` are rights (verb, kind) that ``may`` denies; ``refused_namespaces`` says which no policy lets pass.
    """

    def __init__(self, *objects: Manifest) -> None:
        self.calls: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], list[Exception]] = {}
        self.log_texts: dict[tuple[str, str, bool], str] = {}
        self.denied: set[tuple[str, str]] = set()
        self.unknown_kinds: set[str] = set()
        self.refused_namespaces: Callable[[str], bool] = lambda name: False
        self.watching = threading.Event()
        self._lock = threading.RLock()
        self._version = 0
        self._objects: dict[Ref, Manifest] = {}
        self._history: list[tuple[int, Change]] = []
        self._watches: list[MemoryWatch] = []
        for obj in objects:
            self.put(obj)

    def put(self, manifest: Manifest) -> Manifest:
        """Store an object as it is given, as a controller would."""
        with self._lock:
            ref, self._version = ref_of(manifest), self._version + 1
            old = self._objects.get(ref)
            obj = copy.deepcopy(manifest)
            meta = obj["metadata"]
            meta["resourceVersion"] = str(self._version)
            meta.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{self._version}")
            self._objects[ref] = obj
            self._publish(Change("MODIFIED" if old else "ADDED", obj))
            return copy.deepcopy(obj)

    def remove(self, ref: Ref) -> None:
        """Take an object away at once."""
        with self._lock:
            self._version += 1
            self._publish(Change("DELETED", self._objects.pop(ref)))

    def break_watches(self, error: Exception) -> None:
        """End every open watch with ``error``."""
        with self._lock:
            for watch in self._watches:
                watch.queue.put(error)
            self._watches.clear()

    def _publish(self, change: Change) -> None:
        self._history.append((self._version, change))
        for watch in self._watches:
            if watch.accepts(change.object):
                watch.queue.put(copy.deepcopy(change))

    def _asked(self, verb: str, kind: str, what: str) -> None:
        self.calls.append((verb, what))
        waiting = self.faults.get((verb, kind))
        if waiting:
            raise waiting.pop(0)

    def get(self, ref: Ref) -> Manifest | None:
        self._asked("get", ref.kind, str(ref))
        with self._lock:
            return copy.deepcopy(self._objects.get(ref))

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        self._asked("list", kind, f"{kind} {namespace} {fields}".strip())
        accepts = _accepts(api_version, kind, namespace, labels, fields)
        with self._lock:
            return Listing([copy.deepcopy(o) for o in self._objects.values() if accepts(o)], str(self._version))

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        since: str,
        labels: str = "",
        fields: str = "",
        timeout: timedelta | None = None,
        known: Iterable[Manifest] = (),
    ) -> MemoryWatch:
        self._asked("watch", kind, f"{kind} {namespace} {fields}".strip())
        watch = MemoryWatch(_accepts(api_version, kind, namespace, labels, fields), timeout)
        with self._lock:
            for version, change in self._history:
                if version > int(since or 0) and watch.accepts(change.object):
                    watch.queue.put(copy.deepcopy(change))
            self._watches.append(watch)
        self.watching.set()
        return watch

    def create(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        self._asked("create", ref.kind, str(ref))
        with self._lock:
            if ref in self._objects:
                raise ApiError("create", status=409, kind="AlreadyExists", obj=str(ref))
            return self.put(manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        self._asked("replace", ref.kind, str(ref))
        with self._lock:
            old = self._objects.get(ref)
            if old is None:
                raise ApiError("replace", status=404, kind="NotFound", obj=str(ref))
            version = manifest["metadata"].get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                raise ApiError("replace", status=409, kind="Conflict", obj=str(ref))
            return self.put(manifest)

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> Manifest:
        ref = ref_of(manifest)
        self._asked("apply", ref.kind, str(ref))
        if ref.kind == "Namespace" and self.refused_namespaces(ref.name):
            raise ApiError("apply", status=422, kind="Invalid", obj=str(ref))
        return copy.deepcopy(manifest) if dry_run else self.patch_with(ref, manifest)

    def patch(self, ref: Ref, merge: Manifest) -> Manifest:
        self._asked("patch", ref.kind, str(ref))
        return self.patch_with(ref, merge)

    def patch_with(self, ref: Ref, merge: Manifest) -> Manifest:
        """The object with ``merge`` merged into it, made where it isn't there; unchanged ones keep their version."""
        with self._lock:
            old = self._objects.get(ref)
            new = _merged(old or {}, merge)
            return copy.deepcopy(old) if old is not None and new == old else self.put(new)

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", background: bool = True) -> bool:
        self._asked("delete", ref.kind, str(ref))
        with self._lock:
            old = self._objects.get(ref)
            if old is None:
                return False
            if uid and old["metadata"]["uid"] != uid:
                raise ApiError("delete", status=409, kind="Conflict", obj=str(ref))
            self.remove(ref)
            return True

    def logs(self, namespace: str, pod: str, container: str = "", *, tail: int = 30, previous: bool = False) -> str:
        self._asked("logs", "Pod", f"{pod} {container}{' previous' if previous else ''}")
        text = self.log_texts.get((pod, container, previous), "")
        return "\n".join(text.splitlines()[-tail:])

    def follow(self, namespace: str, pod: str, container: str = "") -> Iterator[str]:
        return iter(self.logs(namespace, pod, container, tail=1000).splitlines())

    def execute(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: Iterable[bytes] = (),
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta | None = None,
    ) -> ExecResult:
        raise NotImplementedError

    def token_for(self, namespace: str, service_account: str, lifetime: timedelta) -> str:
        return f"token-of-{service_account}"

    def acting_as(self, token: str) -> ClusterApi:
        return self

    def namespaced(self, api_version: str, kind: str) -> bool | None:
        return None if kind in self.unknown_kinds else True

    def check_new(self, manifest: Manifest) -> None:
        raise NotImplementedError

    def may(self, verb: str, api_version: str, kind: str, namespace: str = "", *, name: str = "") -> bool:
        return (verb, kind) not in self.denied

    def server_version(self) -> str:
        return "v1.36.3"

    def forget_kinds(self) -> None:
        """It knows all kinds already."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


def _accepts(api_version: str, kind: str, namespace: str, labels: str, fields: str) -> Callable[[Manifest], bool]:
    wanted = [part.partition("=") for part in fields.split(",") if part]
    labelled = [part.partition("=") for part in labels.split(",") if part]

    def accepts(obj: Manifest) -> bool:
        meta = obj["metadata"]
        return (
            (obj["apiVersion"], obj["kind"]) == (api_version, kind)
            and (not namespace or meta.get("namespace") == namespace)
            and all(_at(obj, path) == value for path, _, value in wanted)
            and all((meta.get("labels") or {}).get(name) == value for name, _, value in labelled)
        )

    return accepts


def _at(obj: Manifest, path: str) -> object:
    here: object = obj
    for part in path.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here


def _merged(old: Manifest, new: Manifest) -> Manifest:
    found = dict(old)
    for key, value in new.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        else:
            found[key] = copy.deepcopy(value)
    return found
