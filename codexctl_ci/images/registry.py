"""A registry's API (OCI distribution): manifests, blobs, tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from codexctl_ci.errors import ApiError
from codexctl_ci.images.authentication import Authentication
from codexctl_ci.images.connection import Connection, Response, Trust
from codexctl_ci.images.credentials import DockerConfig
from codexctl_ci.images.reference import DOCKER_HUB, Reference, parse_reference

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    *INDEX_TYPES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = ", ".join(MANIFEST_TYPES)
_LARGEST_MANIFEST = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as the registry has it, byte by byte."""

    body: bytes
    media_type: str
    digest: str

    @property
    def document(self) -> Mapping[str, Any]:
        found = json.loads(self.body)
        return found if isinstance(found, dict) else {}

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES


class Registries:
    """All registries, each by its host. ``mirrors`` are asked before Docker Hub, in order. Usable from many threads.

    Every method raises ApiError for an answer that it doesn't list.
    """

    def __init__(self, trust: Trust, config: DockerConfig, mirrors: Sequence[str] = ()) -> None:
        self.connection = Connection(trust)
        self._login = Authentication(self.connection, config)
        self._mirrors = tuple(mirrors)

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where the registry has no such image. One HEAD."""
        for reference in self._places(parse_reference(image)):
            response = self._call(
                "HEAD", reference, _manifest_path(reference), headers={"Accept": _ACCEPT}, ok=(200, 404)
            )
            if response.status == 200:
                known = response.headers.get("Docker-Content-Digest")
                return known or self.manifest(reference).digest
        return None

    def current(self, image: str) -> str | None:
        """Like ``digest``, but by reading the manifest."""
        try:
            return self.manifest(parse_reference(image)).digest
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def tag(self, image: str, tag: str) -> str:
        """Give what ``image`` names another tag in its repository; its digest."""
        reference = parse_reference(image)
        found = self.manifest(reference)
        self.put_manifest(reference.with_tag(tag), found)
        return found.digest

    def manifest(self, reference: Reference) -> Manifest:
        """Raises ApiError with status 404 where it isn't there, and where the body doesn't fit the digest."""
        places = self._places(reference)
        for place in places:
            last = place is places[-1]
            response = self._call(
                "GET", place, _manifest_path(place), headers={"Accept": _ACCEPT}, ok=(200,) if last else (200, 404)
            )
            if response.status == 200:
                return _checked(response, place)
        raise AssertionError("unreachable")

    def copy(self, source: str, target: str) -> str:
        """Make ``target`` what ``source`` is, with all platforms; the digest, the same in both."""
        from codexctl_ci.images.copying import copy_image

        return copy_image(self, source, target)

    def labels(self, image: str) -> Mapping[str, str]:
        """The labels of ``image`` (of its first platform), empty where there is no such image."""
        from codexctl_ci.images.inspection import labels_of

        return labels_of(self, image)

    def put_manifest(self, reference: Reference, manifest: Manifest) -> None:
        """Store it under the reference's tag or digest; everything it names must be there."""
        self._call(
            "PUT",
            reference,
            _manifest_path(reference),
            headers={"Content-Type": manifest.media_type},
            body=manifest.body,
            ok=(201, 200),
            push=True,
        )

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Whether the repository has the blob."""
        path = f"/v2/{reference.repository}/blobs/{_digest(digest)}"
        return self._call("HEAD", reference, path, ok=(200, 404)).status == 200

    def open_blob(self, reference: Reference, digest: str) -> Response:
        """The blob as a stream; the caller releases it."""
        places = self._places(reference)
        for place in places:
            path = f"/v2/{place.repository}/blobs/{_digest(digest)}"
            ok = (200,) if place is places[-1] else (200, 404)
            response = self._call("GET", place, path, ok=ok, stream=True)
            if response.status == 200:
                return response
            response.drain_conn()
        raise AssertionError("unreachable")

    def mount_or_begin(self, reference: Reference, digest: str, from_repository: str = "") -> str:
        """Take the blob over from another repository of the same registry, or begin an upload.

        Where to upload it to, empty where it was taken over.
        """
        query = urlencode({"mount": digest, "from": from_repository}) if from_repository else ""
        path = f"/v2/{reference.repository}/blobs/uploads/" + (f"?{query}" if query else "")
        response = self._call("POST", reference, path, ok=(201, 202), push=True, from_repository=from_repository)
        if response.status == 201:
            return ""
        return urljoin(self.connection.url(reference.host, path), response.headers.get("Location", ""))

    def check_push(self, image: str) -> None:
        """Have the registry say whether we may push to the image's repository: an upload is begun and given up."""
        reference = parse_reference(image)
        location = self.mount_or_begin(reference, "")
        # A registry that can't give up uploads forgets them by itself.
        self._send("DELETE", reference, location, ok=(200, 202, 204, 400, 404, 405), push=True)

    def upload(
        self, reference: Reference, location: str, digest: str, body: bytes | Iterable[bytes], size: int
    ) -> None:
        """Put a whole blob to the place that ``mount_or_begin`` gave; the registry checks its digest."""
        mark = "&" if "?" in location else "?"
        self._send(
            "PUT",
            reference,
            f"{location}{mark}digest={quote(digest)}",
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            body=body,
            ok=(201, 204),
            push=True,
        )

    def _places(self, reference: Reference) -> list[Reference]:
        if reference.host != DOCKER_HUB:
            return [reference]
        mirrored = [
            Reference(mirror, reference.repository, reference.tag, reference.digest) for mirror in self._mirrors
        ]
        return [*mirrored, reference]

    def _call(self, method: str, reference: Reference, path: str, **more: Any) -> Response:
        return self._send(method, reference, self.connection.url(reference.host, path), **more)

    def _send(
        self,
        method: str,
        reference: Reference,
        url: str,
        *,
        ok: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        stream: bool = False,
        push: bool = False,
        from_repository: str = "",
    ) -> Response:
        scope = f"repository:{reference.repository}:{'pull,push' if push else 'pull'}"
        if from_repository:
            scope += f" repository:{from_repository}:pull"
        what = f"{method} {reference}"
        for last in (False, True):
            sent = dict(headers or {})
            authorization = self._login.header(reference.host, scope)
            if authorization:
                sent["Authorization"] = authorization
            response = self.connection.request(method, url, headers=sent, body=body, stream=stream, what=what)
            if response.status in ok:
                return response
            if response.status != 401 or last:
                break
            challenge = response.headers.get("WWW-Authenticate", "")
            if not self._login.challenged(reference.host, challenge, scope):
                break
        raise _refused(response, what, reference)


def _manifest_path(reference: Reference) -> str:
    return f"/v2/{reference.repository}/manifests/{quote(reference.version, safe=':')}"


def _digest(text: str) -> str:
    return quote(text, safe=":")


def _checked(response: Response, reference: Reference) -> Manifest:
    body = response.data
    if len(body) > _LARGEST_MANIFEST:
        raise ApiError("the manifest is too large", status=502, obj=str(reference))
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    algorithm = reference.digest.partition(":")[0] or "sha256"
    digest = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
    if reference.digest and digest != reference.digest:
        raise ApiError("the manifest is not the one of this digest", status=502, obj=str(reference), reason=digest)
    return Manifest(body, media_type, digest)


def _refused(response: Response, what: str, reference: Reference) -> ApiError:
    status = response.status
    try:
        faults = json.loads(response.data or b"{}").get("errors") or []
        kind = str(faults[0].get("code") or "")
        reason = str(faults[0].get("message") or "")[:300]
    except (ValueError, AttributeError, IndexError, KeyError, TypeError):
        kind, reason = "", ""
    hint = {
        401: f"give a login for {reference.host} in Docker's config.json",
        403: f"the login for {reference.host} has no right to this repository",
        404: "check name and tag",
    }.get(status, "")
    return ApiError(what, status=status, kind=kind, obj=str(reference), reason=reason or f"status {status}", hint=hint)
