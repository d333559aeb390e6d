"""A real registry on loopback for tests, and images put into it by hand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import urllib3

from sandbox.cluster.waiting import wait_for_port

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class TestRegistry:
    """``host`` is its address; ``log`` holds one line a request."""

    __test__ = False

    host: str
    log: Path
    http: urllib3.PoolManager

    def requests(self, method: str, contains: str = "") -> list[str]:
        """Paths of the requests so far with that method."""
        found = []
        for line in self.log.read_text().splitlines():
            if f'"{method} ' in line and contains in line:
                found.append(line.split(f'"{method} ')[1].split()[0])
        return found

    def push(
        self,
        name: str,
        files: Mapping[str, bytes],
        platforms: tuple[str, ...] = ("linux/amd64",),
        *,
        created: str = "",
    ) -> str:
        """Push an image (an index where there are several platforms); its digest."""
        repository, _, tag = name.partition(":")
        entries = []
        for platform in platforms:
            system, machine = platform.split("/")
            layer = _layer({**files, "platform": platform.encode()})
            config = json.dumps(
                {
                    "architecture": machine,
                    "os": system,
                    **({"created": created} if created else {}),
                    "config": {"Cmd": ["/bin/true"]},
                    "history": [{"created_by": "a test"}],
                    "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
                }
            ).encode()
            manifest = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": self._blob(repository, config, OCI_CONFIG),
                "layers": [self._blob(repository, layer, OCI_LAYER)],
            }
            body = json.dumps(manifest).encode()
            digest = _digest(body)
            self._put(repository, tag if len(platforms) == 1 else digest, body, OCI_MANIFEST)
            entries.append(
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": digest,
                    "size": len(body),
                    "platform": {"os": system, "architecture": machine},
                }
            )
        if len(entries) == 1:
            return str(entries[0]["digest"])
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self._put(repository, tag, body, OCI_INDEX)
        return _digest(body)

    def push_referrer(self, repository: str, subject: str, text: str) -> str:
        """Push a manifest about the one with the digest ``subject``; its digest."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.test",
            "config": self._blob(repository, b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self._blob(repository, text.encode(), "text/plain")],
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
        }
        body = json.dumps(manifest).encode()
        self._put(repository, _digest(body), body, OCI_MANIFEST)
        return _digest(body)

    def descriptors(self, repository: str, digests: Sequence[str]) -> list[dict[str, object]]:
        """What an index says of manifests that are there."""
        sizes = [len(self.manifest(repository, digest)[2]) for digest in digests]
        return [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
            for digest, size in zip(digests, sizes, strict=True)
        ]

    def push_index(self, name: str, entries: Sequence[Mapping[str, object]]) -> None:
        """Push an index of ``entries``."""
        repository, _, tag = name.partition(":")
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self._put(repository, tag, body, OCI_INDEX)

    def manifest(self, repository: str, version: str) -> tuple[int, str, bytes]:
        """Status, digest and body."""
        answer = self.http.request(
            "GET",
            f"http://{self.host}/v2/{repository}/manifests/{version}",
            headers={"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}, application/vnd.docker.distribution.manifest.v2+json"},
        )
        return answer.status, answer.headers.get("Docker-Content-Digest", ""), answer.data

    def blob(self, repository: str, digest: str) -> bytes:
        return self.http.request("GET", f"http://{self.host}/v2/{repository}/blobs/{digest}").data

    def _blob(self, repository: str, body: bytes, media_type: str) -> dict[str, object]:
        begun = self.http.request("POST", f"http://{self.host}/v2/{repository}/blobs/uploads/")
        place = begun.headers["Location"]
        self.http.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={quote(_digest(body))}", body=body)
        return {"mediaType": media_type, "digest": _digest(body), "size": len(body)}

    def _put(self, repository: str, version: str, body: bytes, media_type: str) -> None:
        url = f"http://{self.host}/v2/{repository}/manifests/{version}"
        answer = self.http.request("PUT", url, body=body, headers={"Content-Type": media_type})
        assert answer.status == 201, answer.data


def _digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _layer(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


@contextmanager
def running_registry(folder: Path, auth: str = "") -> Iterator[TestRegistry]:
    """Debian's docker-registry over ``folder``, on a free port of loopback. ``auth``: an ``auth:`` section."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    log = folder / "log"
    with log.open("wb") as stream:
        child = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=stream, stderr=stream)
    try:
        http = urllib3.PoolManager(retries=urllib3.Retry(0))
        wait_for_port(("127.0.0.1", port), timedelta(seconds=20), partial(_alive, child, log))
        yield TestRegistry(f"127.0.0.1:{port}", log, http)
    finally:
        child.kill()
        child.wait()


def _alive(child: subprocess.Popen[bytes], log: Path) -> None:
    assert child.poll() is None, log.read_text()[-2000:]
