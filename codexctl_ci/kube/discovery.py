"""Which kinds the API server knows: read once, kept on disk for the server's version, read again for a missing kind."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from codexctl_ci.errors import ApiError

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


@dataclass(frozen=True, slots=True)
class Resource:
    """How objects of one kind are asked for: ``plural`` in the path, in namespaces or not, and the allowed verbs."""

    plural: str
    namespaced: bool
    verbs: tuple[str, ...] = ()


_BUILT_IN = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
    )
)

Kinds = dict[str, dict[str, Resource]]
"""Resources by ``apiVersion`` and kind."""


class Reader(Protocol):
    """Gives the JSON at a path, asked for with an Accept header."""

    def __call__(self, path: str, accept: str) -> Any: ...


class Discovery:
    """The kinds of one server. ``read`` is asked at most twice: at the start, and once more for a missing kind.

    ``version`` gives the server's version, on which the copy in ``cache_dir`` hangs. Usable from many threads.
    """

    def __init__(self, read: Reader, version: Callable[[], str], server: str, cache_dir: Path | None = None) -> None:
        self._read = read
        self._version = version
        self._server = server
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._kinds: Kinds | None = None
        self._fresh = False

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """How to ask for the kind, None where the server doesn't know it.

        A copy from disk is trusted for the server's own kinds only, and never with a no: custom ones come and go
        while the server's version stays.
        """
        found = self._lookup(api_version, kind)
        if (found is None or not is_built_in(api_version)) and not self._fresh:
            self.refresh()
            found = self._lookup(api_version, kind)
        return found

    def refresh(self) -> None:
        """Ask the server again, as after new CustomResourceDefinitions."""
        with self._lock:
            self._kinds = self._ask()
            self._fresh = True
            self._store(self._kinds)

    def forget(self) -> None:
        """Let the next missing kind ask the server again."""
        self._fresh = False

    def kinds(self) -> Kinds:
        """Everything known."""
        with self._lock:
            if self._kinds is None:
                self._kinds = self._load()
            if self._kinds is None:
                self._kinds = self._ask()
                self._fresh = True
                self._store(self._kinds)
            return self._kinds

    def find(self, word: str) -> tuple[str, str] | None:
        """``apiVersion`` and kind that people mean by ``word``: the kind or its plural in any case, with or without
        its group (``certificates.cert-manager.io``). Kubernetes' own kinds come before others."""
        name, _, group = word.strip().lower().partition(".")
        versions = sorted(self.kinds().items(), key=lambda row: not is_built_in(row[0]))
        for api_version, rows in versions:
            if group and api_version.rpartition("/")[0] != group:
                continue
            for kind, resource in rows.items():
                if name in (kind.lower(), resource.plural):
                    return api_version, kind
        return None

    def _lookup(self, api_version: str, kind: str) -> Resource | None:
        return self.kinds().get(api_version, {}).get(kind)

    def _ask(self) -> Kinds:
        kinds: Kinds = {}
        for path in ("/api", "/apis"):
            document = self._read(path, AGGREGATED)
            if document.get("kind") == "APIGroupDiscoveryList":
                _add_aggregated(kinds, document)
            elif path == "/api":
                for version in document.get("versions") or []:
                    _add_list(kinds, str(version), self._read(f"/api/{version}", "application/json"))
            else:
                self._add_groups(kinds, document)
        return kinds

    def _add_groups(self, kinds: Kinds, document: Any) -> None:
        for group in document.get("groups") or []:
            for version in group.get("versions") or []:
                name = str(version["groupVersion"])
                try:
                    _add_list(kinds, name, self._read(f"/apis/{name}", "application/json"))
                except ApiError as error:
                    # An aggregated API whose server is down must not hide all the others.
                    if not error.passing and error.status != 404:
                        raise

    def _file(self) -> Path | None:
        if self._cache_dir is None:
            return None
        key = hashlib.sha256(f"{self._server}\n{self._version()}".encode()).hexdigest()[:32]
        return self._cache_dir / f"discovery-1-{key}.json"

    def _load(self) -> Kinds | None:
        file = self._file()
        if file is None:
            return None
        try:
            stored = json.loads(file.read_bytes())
            return {
                version: {kind: Resource(row[0], bool(row[1]), tuple(row[2])) for kind, row in rows.items()}
                for version, rows in stored.items()
            }
        except (OSError, ValueError, TypeError, IndexError, AttributeError):
            return None

    def _store(self, kinds: Kinds) -> None:
        file = self._file()
        if file is None:
            return
        rows = {
            version: {kind: [found.plural, found.namespaced, list(found.verbs)] for kind, found in rows.items()}
            for version, rows in kinds.items()
        }
        # Only a copy: a full disk or a read-only home costs time, not the run.
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = file.with_name(f"{file.name}.{os.getpid()}")
            draft.write_text(json.dumps(rows, separators=(",", ":")), "utf-8")
            draft.replace(file)
        except OSError:
            pass


def is_built_in(api_version: str) -> bool:
    """Whether the group belongs to Kubernetes itself and can change with the server's version only."""
    group = api_version.rpartition("/")[0]
    return "." not in group or group in _BUILT_IN


def _add_aggregated(kinds: Kinds, document: Any) -> None:
    for group in document.get("items") or []:
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or []:
            api_version = f"{name}/{version['version']}" if name else str(version["version"])
            rows = kinds.setdefault(api_version, {})
            for row in version.get("resources") or []:
                kind = (row.get("responseKind") or {}).get("kind")
                if kind:
                    rows.setdefault(
                        kind,
                        Resource(row["resource"], row.get("scope") == "Namespaced", tuple(row.get("verbs") or ())),
                    )


def _add_list(kinds: Kinds, api_version: str, document: Any) -> None:
    rows = kinds.setdefault(api_version, {})
    for row in document.get("resources") or []:
        if "/" not in row["name"]:
            rows.setdefault(
                row["kind"], Resource(row["name"], bool(row.get("namespaced")), tuple(row.get("verbs") or ()))
            )
