"""What refers to an image: attestations, signatures, bills of materials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from codexctl_ci.errors import ApiError
from codexctl_ci.images.reference import Reference
from codexctl_ci.images.registry import INDEX_TYPES, Manifest, Registries

_INDEX = INDEX_TYPES[0]
# What a registry answers that doesn't know the API is not agreed upon.
_UNKNOWN = (400, 403, 404, 405, 501)
_COSIGN = (".sig", ".att", ".sbom")

Descriptor = Mapping[str, Any]


def referrers_of(registries: Registries, reference: Reference) -> list[Descriptor]:
    """Descriptors of the manifests that name this digest as their subject, by the API or by the tag in its place."""
    found: list[Descriptor] = []
    path = f"/v2/{reference.repository}/referrers/{reference.digest}"
    while path:
        answer = registries.call("GET", reference, path, headers={"Accept": _INDEX}, ok=(200, *_UNKNOWN))
        if answer.status != 200 or not answer.headers.get("Content-Type", "").startswith(_INDEX):
            break
        found += _entries(answer.data)
        path = next_page(answer.headers.get("Link", ""), path)
    else:
        return found
    listed = manifest_or_none(registries, reference.with_tag(stand_in(reference.digest)))
    return _entries(listed.body) if listed is not None else []


def announce(registries: Registries, target: Reference, entries: Sequence[Descriptor]) -> None:
    """See to it that ``target``'s registry lists ``entries``: where it has no API for that, at the tag in its place."""
    known = {str(entry["digest"]): entry for entry in referrers_of(registries, target)}
    if all(entry["digest"] in known for entry in entries):
        return
    known |= {str(entry["digest"]): entry for entry in entries}
    document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": list(known.values())}
    body = json.dumps(document, separators=(",", ":")).encode()
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    registries.put_manifest(target.with_tag(stand_in(target.digest)), Manifest(body, _INDEX, digest))


def cosign_tags(registries: Registries, reference: Reference) -> Iterator[str]:
    """The tags that are there under which cosign keeps what it knows of this digest."""
    for end in _COSIGN:
        tag = stand_in(reference.digest) + end
        if registries.digest(str(reference.with_tag(tag))) is not None:
            yield tag


def next_page(link: str, path: str) -> str:
    """Where a ``Link`` header says that a list goes on, empty at its end."""
    target, _, rest = link.strip().partition(">")
    if not target.startswith("<") or 'rel="next"' not in rest:
        return ""
    found = urlsplit(urljoin(path, target[1:]))
    return f"{found.path}?{found.query}"


def manifest_or_none(registries: Registries, reference: Reference) -> Manifest | None:
    """The manifest, None where it isn't there."""
    try:
        return registries.manifest(reference)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def stand_in(digest: str) -> str:
    """The tag in place of a digest, where a registry has no API for what refers to it."""
    return digest.replace(":", "-")


def _entries(body: bytes) -> list[Descriptor]:
    try:
        document = json.loads(body)
    except ValueError:
        return []
    entries = document.get("manifests") if isinstance(document, dict) else None
    return [entry for entry in entries or [] if isinstance(entry, dict) and entry.get("digest")]
