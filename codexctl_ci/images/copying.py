"""Copying an image between repositories: the same digest, all platforms, what refers to it; nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from urllib3.exceptions import HTTPError

from codexctl_ci.errors import ApiError
from codexctl_ci.images.reference import DOCKER_HUB, Reference, parse_reference
from codexctl_ci.images.referrers import Descriptor, announce, cosign_tags, referrers_of
from codexctl_ci.images.registry import Manifest, Registries

log = logging.getLogger(__name__)

_SEVERAL = 6
_TRIES = 5
_CHUNK = 1024 * 1024


def copy_image(registries: Registries, source: str, target: str) -> str:
    """Make ``target`` (a tag) what ``source`` is: index, platforms, blobs, and what refers to them. The digest of both.

    What the target's registry has is not sent again, so that a copy that broke goes on. The tag comes last but for
    what refers to the image. Usable for several images at a time.
    """
    begin, end = parse_reference(source), parse_reference(target)
    manifest = registries.manifest(begin)
    with ThreadPoolExecutor(_SEVERAL) as pool:
        copy = _Copy(registries, begin, end, pool)
        copy.image(manifest)
        registries.put_manifest(end, manifest)
        copy.referrers()
    return manifest.digest


class _Copy:
    def __init__(self, registries: Registries, source: Reference, target: Reference, pool: ThreadPoolExecutor) -> None:
        self._registries = registries
        self._source = source
        self._target = target
        self._pool = pool
        self._manifests: dict[str, None] = {}
        self._blobs: set[str] = set()

    def image(self, manifest: Manifest) -> None:
        """Bring over all that ``manifest`` names, but not itself."""
        self._manifests[manifest.digest] = None
        below = list(self._below(manifest))
        blobs = [blob for each in (*below, manifest) for blob in self._new_blobs(each.document)]
        for done in [self._pool.submit(self._blob, blob) for blob in blobs]:
            done.result()
        for each in below:
            self._registries.put_manifest(self._target.with_digest(each.digest), each)

    def _below(self, manifest: Manifest) -> Iterator[Manifest]:
        """The manifests that an index names and the target lacks, what one needs before it."""
        if manifest.is_index:
            yield from self._lacking(str(entry["digest"]) for entry in manifest.document.get("manifests") or [])

    def _lacking(self, digests: Iterable[str]) -> Iterator[Manifest]:
        names = list(dict.fromkeys(digests))
        self._manifests |= dict.fromkeys(names)
        for found in self._pool.map(self._unless_there, names):
            if found is not None:
                yield from self._below(found)
                yield found

    def _unless_there(self, digest: str) -> Manifest | None:
        # A manifest is taken last: where it is there, so is all that it names.
        if self._registries.digest(str(self._target.with_digest(digest))) is not None:
            return None
        return self._registries.manifest(self._source.with_digest(digest))

    def referrers(self) -> None:
        """Bring over what refers to the image and to each of its platforms, and to that in turn."""
        done: set[str] = set()
        while left := [digest for digest in self._manifests if digest not in done]:
            done.update(left)
            # Most images have none: asking is all there is to do, so ask for all at once.
            for digest, entries, tags in list(self._pool.map(self._asked, left)):
                self._refer(digest, entries, tags)

    def _asked(self, digest: str) -> tuple[str, list[Descriptor], list[str]]:
        source = self._source.with_digest(digest)
        try:
            return digest, referrers_of(self._registries, source), list(cosign_tags(self._registries, source))
        except ApiError as error:
            # Who has mirrors of Docker Hub has them because it can't be reached or answers seldom: the image is there.
            if not (error.passing and self._source.host == DOCKER_HUB and self._registries.mirrors):
                raise
            log.warning("what refers to %s cannot be asked for: %s", source, error)
            return digest, [], []

    def _refer(self, digest: str, entries: list[Descriptor], tags: list[str]) -> None:
        for manifest in list(self._lacking(str(entry["digest"]) for entry in entries)):
            self.image(manifest)
            self._registries.put_manifest(self._target.with_digest(manifest.digest), manifest)
        if entries:
            announce(self._registries, self._target.with_digest(digest), entries)
        for tag in tags:
            manifest = self._registries.manifest(self._source.with_tag(tag))
            self.image(manifest)
            self._registries.put_manifest(self._target.with_tag(tag), manifest)

    def _new_blobs(self, document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for blob in [document.get("config"), *(document.get("layers") or [])]:
            if not isinstance(blob, dict) or blob.get("digest") in self._blobs:
                continue
            kind = str(blob.get("mediaType") or "")
            if blob.get("urls") and ("foreign" in kind or "nondistributable" in kind):
                continue
            self._blobs.add(str(blob["digest"]))
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
                if location:
                    self._registries.upload(self._target, location, digest, self._stream(digest, size), size)
                return
            except ApiError as error:
                # A stream can't be sent a second time, not for a token that ended either: the upload begins again.
                if attempt == _TRIES or not (error.passing or error.status == 401):
                    raise
                log.warning("layer %s: %s; trying again", digest[:19], error)
                self._registries.connection.back_off(attempt)

    def _stream(self, digest: str, size: int) -> Iterator[bytes]:
        """The blob's bytes; where the source breaks off, on from there."""
        sent, breaks = 0, 0
        while True:
            response = self._registries.open_blob(self._source, digest, sent)
            # Who doesn't know ranges begins at the beginning.
            skip = sent if response.status == 200 else 0
            try:
                for chunk in response.stream(_CHUNK):
                    piece, skip = chunk[skip:], max(0, skip - len(chunk))
                    sent += len(piece)
                    if piece:
                        yield piece
                return
            except HTTPError as error:
                breaks += 1
                if breaks == _TRIES:
                    raise
                log.warning("layer %s broke off at %d of %d bytes (%s); on from there", digest[:19], sent, size, error)
            finally:
                response.close()
