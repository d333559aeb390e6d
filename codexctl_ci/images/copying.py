"""Copying an image between repositories: the same digest, all platforms, nothing twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from codexctl_ci.errors import ApiError
from codexctl_ci.images.reference import Reference, parse_reference
from codexctl_ci.images.registry import Manifest, Registries

log = logging.getLogger(__name__)

_SEVERAL = 6
_TRIES = 3
_CHUNK = 1024 * 1024


def copy_image(registries: Registries, source: str, target: str) -> str:
    """Make ``target`` (a tag) what ``source`` is: index, all its platforms, all blobs. The digest, the same in both.

    Blobs that the target's registry has are not sent again. Usable for several images at a time.
    """
    begin, end = parse_reference(source), parse_reference(target)
    manifest = registries.manifest(begin)
    with ThreadPoolExecutor(_SEVERAL) as pool:
        _Copy(registries, begin, end, pool).run(manifest)
    registries.put_manifest(end, manifest)
    return manifest.digest


class _Copy:
    def __init__(self, registries: Registries, source: Reference, target: Reference, pool: ThreadPoolExecutor) -> None:
        self._registries = registries
        self._source = source
        self._target = target
        self._pool = pool
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def run(self, manifest: Manifest) -> None:
        """Bring over all that ``manifest`` names, but not itself."""
        if manifest.is_index:
            for entry in manifest.document.get("manifests") or []:
                child = self._registries.manifest(self._source.with_digest(str(entry["digest"])))
                self.run(child)
                self._registries.put_manifest(self._target.with_digest(child.digest), child)
            return
        for done in [self._pool.submit(self._blob, blob) for blob in self._blobs(manifest.document)]:
            done.result()

    def _blobs(self, document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for blob in [document.get("config"), *(document.get("layers") or [])]:
            if not isinstance(blob, dict) or blob.get("digest") in self._seen:
                continue
            kind = str(blob.get("mediaType") or "")
            if blob.get("urls") and ("foreign" in kind or "nondistributable" in kind):
                continue
            self._seen.add(str(blob["digest"]))
            yield blob

    def _blob(self, blob: Mapping[str, Any]) -> None:
        digest, size = str(blob["digest"]), int(blob.get("size") or 0)
        if self._registries.has_blob(self._target, digest):
            return
        near = self._source.host == self._target.host and self._source.repository != self._target.repository
        for attempt in range(1, _TRIES + 1):
            try:
                location = self._registries.mount_or_begin(
                    self._target, digest, self._source.repository if near else ""
                )
                if not location:
                    return
                response = self._registries.open_blob(self._source, digest)
                try:
                    self._registries.upload(self._target, location, digest, response.stream(_CHUNK), size)
                finally:
                    response.close()
                return
            except ApiError as error:
                # A stream can't be sent a second time: the whole transfer begins again.
                if attempt == _TRIES or not error.passing:
                    raise
                log.warning("layer %s: %s; trying again", digest[:19], error)
