"""Writes images straight into the folder layout of a registry (distribution v2), without a running one.

A sandbox lays its own writable folder over this one, so that starting with all base images costs nothing.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.images.layers import Layer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image: its names in the registry (`repository:tag`), its layers from the bottom up, and how it starts."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"

    def config(self) -> bytes:
        """The OCI image configuration; the same image always gives the same bytes."""
        return _json(
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": {
                    "Env": [f"{name}={value}" for name, value in sorted(self.environment.items())],
                    "Cmd": list(self.command) or None,
                    "Entrypoint": list(self.entrypoint) or None,
                    "WorkingDir": self.working_dir,
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]},
                "history": [{"created": "1970-01-01T00:00:00Z"} for _ in self.layers],
            }
        )

    def manifest(self) -> bytes:
        """The OCI manifest."""
        config = self.config()
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": _digest(config), "size": len(config)},
                "layers": [
                    {"mediaType": _LAYER, "digest": layer.digest, "size": layer.tar.stat().st_size}
                    for layer in self.layers
                ],
            }
        )


def write_registry(folder: Path, images: Sequence[Image]) -> None:
    """Fills `folder` with what a registry's filesystem driver would hold after `images` were pushed to it."""
    root = folder / "docker" / "registry" / "v2"
    for image in images:
        config, manifest = image.config(), image.manifest()
        _blob(root, _digest(config), config)
        _blob(root, _digest(manifest), manifest)
        for layer in image.layers:
            _blob(root, layer.digest, layer.tar)
        for name in image.names:
            repository, _, tag = name.partition(":")
            home = root / "repositories" / repository
            for digest in (_digest(config), *(layer.digest for layer in image.layers)):
                _link(home / "_layers", digest)
            digest = _digest(manifest)
            _link(home / "_manifests" / "revisions", digest)
            _link(home / "_manifests" / "tags" / tag / "index", digest)
            current = home / "_manifests" / "tags" / tag / "current" / "link"
            current.parent.mkdir(parents=True, exist_ok=True)
            current.write_text(digest)


def _blob(root: Path, digest: str, content: bytes | Path) -> None:
    algorithm, _, value = digest.partition(":")
    data = root / "blobs" / algorithm / value[:2] / value / "data"
    if data.exists():
        return
    data.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        data.write_bytes(content)
    else:
        os.link(content, data)


def _link(folder: Path, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    link = folder / algorithm / value / "link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.write_text(digest)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
