"""A registry's API (OCI distribution): manifests, blobs, tags."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from codexctl_ci.errors import ApiError
from codexctl_ci.images.authentication import Authentication
from codexctl_ci.images.causes import advice_on
from codexctl_ci.images.connection import Connection, Response, Trust
from codexctl_ci.images.credentials import DockerConfig
from codexctl_ci.images.reference import DOCKER_HUB, Reference, parse_reference

log = logging.getLogger(__name__)

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
    """All registries, each by its host. Usable from many threads.

    ``mirrors`` (host, and a path where there is one) are asked before Docker Hub, in order; one that fails is passed
    over, and one that doesn't answer is not asked again.

    Every method raises ApiError for an answer that it doesn't list.
    """

    def __init__(self, trust: Trust, config: DockerConfig, mirrors: Sequence[str] = ()) -> None:
        self.connection = Connection(trust)
        self._login = Authentication(self.connection, config)
        self.mirrors = tuple(mirrors)
        self._silent: set[str] = set()

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where the registry has no such image. One HEAD."""
        response, place = self._read("HEAD", parse_reference(image), _manifest_path, {"Accept": _ACCEPT}, (200, 404))
        if response.status == 404:
            return None
        return response.headers.get("Docker-Content-Digest") or self.manifest(place).digest

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
        return _checked(*self._read("GET", reference, _manifest_path, {"Accept": _ACCEPT}, (200,)))

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
        self.call(
            "PUT",
            reference,
            _manifest_path(reference),
            headers={"Content-Type": manifest.media_type},
            body=manifest.body,
            ok=(201, 200),
            actions="pull,push",
        )

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Whether the repository has the blob."""
        path = f"/v2/{reference.repository}/blobs/{_digest(digest)}"
        return self.call("HEAD", reference, path, ok=(200, 404)).status == 200

    def open_blob(self, reference: Reference, digest: str, begin: int = 0) -> Response:
        """The blob as a stream, from byte ``begin`` on where the status is 206; the caller releases it."""
        headers = {"Range": f"bytes={begin}-"} if begin else {}

        def path(place: Reference) -> str:
            return f"/v2/{place.repository}/blobs/{_digest(digest)}"

        return self._read("GET", reference, path, headers, (200, 206), stream=True)[0]

    def mount_or_begin(self, reference: Reference, digest: str, from_repository: str = "") -> str:
        """Take the blob over from another repository of the same registry, or begin an upload.

        Where to upload it to, empty where it was taken over.
        """
        query = urlencode({"mount": digest, "from": from_repository}) if from_repository else ""
        path = f"/v2/{reference.repository}/blobs/uploads/" + (f"?{query}" if query else "")
        response = self.call(
            "POST", reference, path, ok=(201, 202), actions="pull,push", from_repository=from_repository
        )
        if response.status == 201:
            return ""
        return urljoin(self.connection.url(reference.host, path), response.headers.get("Location", ""))

    def check_push(self, image: str) -> None:
        """Have the registry say whether we may push to the image's repository: an upload is begun and given up."""
        reference = parse_reference(image)
        location = self.mount_or_begin(reference, "")
        # A registry that can't give up uploads forgets them by itself.
        self._send("DELETE", reference, location, ok=(200, 202, 204, 400, 404, 405), actions="pull,push")

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
            actions="pull,push",
        )

    def _read(
        self,
        method: str,
        reference: Reference,
        path: Callable[[Reference], str],
        headers: Mapping[str, str],
        ok: tuple[int, ...],
        *,
        stream: bool = False,
    ) -> tuple[Response, Reference]:
        """The answer of the first place that has it, and which that is."""
        for place in self._mirrored(reference):
            try:
                response = self.call(method, place, path(place), headers=headers, ok=(200, 206, 404), stream=stream)
            except ApiError as error:
                log.warning("%s is passed over: %s", place.host, error.reason or error.what)
                if error.status == 0:
                    self._silent.add(place.host)
                continue
            if response.status != 404:
                return response, place
            response.drain_conn()
        return self.call(method, reference, path(reference), headers=headers, ok=ok, stream=stream), reference

    def _mirrored(self, reference: Reference) -> Iterator[Reference]:
        if reference.host != DOCKER_HUB:
            return
        for mirror in self.mirrors:
            host, _, folder = mirror.partition("/")
            if host not in self._silent:
                repository = f"{folder}/{reference.repository}" if folder else reference.repository
                yield replace(reference, host=host, repository=repository)

    def call(self, method: str, reference: Reference, path: str, **more: Any) -> Response:
        """One request about a repository, logged in as its registry asks; ``ok`` are the statuses to be returned."""
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
        actions: str = "pull",
        from_repository: str = "",
    ) -> Response:
        scope = f"repository:{reference.repository}:{actions}"
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
            known = self._login.challenged(reference.host, challenge, scope)
            if not known or not (body is None or isinstance(body, bytes)):
                # A stream has been read: who sent it begins again.
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
    hint = advice_on(f"{kind} {reason}", hint)
    return ApiError(what, status=status, kind=kind, obj=str(reference), reason=reason or f"status {status}", hint=hint)
