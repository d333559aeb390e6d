"""What a registry keeps: tags, ages, sizes; and taking away from it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from codexctl_ci.errors import ApiError
from codexctl_ci.images.inspection import config_of
from codexctl_ci.images.reference import Reference, parse_reference
from codexctl_ci.images.referrers import cosign_tags, manifest_or_none, next_page, referrers_of, stand_in
from codexctl_ci.images.registry import Manifest, Registries
from codexctl_ci.ports import StoredImage

_PAGE = 1000


class Stock:
    """Implements ``ports.ImageStock``."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def digest(self, image: str) -> str | None:
        return self._registries.digest(image)

    def tags(self, repository: str) -> list[str]:
        reference = parse_reference(repository)
        found: list[str] = []
        path = f"/v2/{reference.repository}/tags/list?n={_PAGE}"
        while path:
            answer = self._registries.call("GET", reference, path, ok=(200, 404))
            if answer.status == 404:
                break
            found += [str(tag) for tag in json.loads(answer.data).get("tags") or []]
            path = next_page(answer.headers.get("Link", ""), path)
        return found

    def stored(self, image: str) -> StoredImage | None:
        reference = parse_reference(image)
        first = manifest_or_none(self._registries, reference)
        if first is None:
            return None
        whole = list(self._all(reference, first))
        blobs: dict[str, int] = {}
        created: list[datetime | None] = []
        for each in whole:
            blobs |= {str(blob["digest"]): int(blob.get("size") or 0) for blob in _blobs(each.document)}
            if not each.is_index:
                created.append(self._created(reference, each))
        known = [moment for moment in created if moment is not None]
        # What of an index has no date keeps all of it.
        age = max(known) if known and len(known) == len(created) else None
        return StoredImage(first.digest, age, blobs, frozenset(each.digest for each in whole))

    def delete(self, repository: str, digest: str, *, keep: Collection[str] = ()) -> bool:
        reference = parse_reference(repository).with_digest(digest)
        for entry in referrers_of(self._registries, reference):
            if entry["digest"] not in keep:
                self.delete(repository, str(entry["digest"]), keep=keep)
        for tag in [*cosign_tags(self._registries, reference), stand_in(digest)]:
            about = self._registries.digest(str(reference.with_tag(tag)))
            if about is not None and about not in keep:
                self._delete(reference.with_digest(about))
        return self._delete(reference)

    def _created(self, reference: Reference, manifest: Manifest) -> datetime | None:
        try:
            return _moment(config_of(self._registries, reference, manifest))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _delete(self, reference: Reference) -> bool:
        path = f"/v2/{reference.repository}/manifests/{reference.digest}"
        try:
            answer = self._registries.call("DELETE", reference, path, ok=(202, 200, 404), actions="pull,delete")
        except ApiError as error:
            if error.status in (400, 405):
                error.hint = "the registry deletes nothing: allow it there (storage.delete.enabled of distribution)"
            raise
        return answer.status != 404

    def _all(self, reference: Reference, manifest: Manifest) -> Iterator[Manifest]:
        """The manifest and all inside it that is there: an index may lack some of its platforms."""
        yield manifest
        if manifest.is_index:
            for entry in manifest.document.get("manifests") or []:
                found = manifest_or_none(self._registries, reference.with_digest(str(entry["digest"])))
                if found is not None:
                    yield from self._all(reference, found)


def _blobs(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [document.get("config"), *(document.get("layers") or [])]
    return [blob for blob in found if isinstance(blob, dict) and blob.get("digest")]


def _moment(config: Mapping[str, Any]) -> datetime | None:
    text = str(config.get("created") or "")
    # More digits than Python reads; the seconds will do. Builders without a clock write 1970 or year 1.
    head, _, rest = text.partition(".")
    try:
        found = datetime.fromisoformat((head if rest else text.removesuffix("Z")) + "+00:00")
    except ValueError:
        return None
    return found if found.year > 1980 else None
