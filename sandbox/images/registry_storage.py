"""Writes images straight into the folder layout of a registry (distribution v2), without a running one.

A sandbox lays its own writable folder over this one, so that starting with all base images costs nothing.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from sandbox.images.oci import Image, digest_of


def write_registry(folder: Path, images: Sequence[Image]) -> None:
    """Fills `folder` with what a registry's filesystem driver would hold after `images` were pushed to it."""
    root = folder / "docker" / "registry" / "v2"
    for image in images:
        config, manifest = image.config(), image.manifest()
        _blob(root, digest_of(config), config)
        _blob(root, digest_of(manifest), manifest)
        for layer in image.layers:
            _blob(root, layer.digest, layer.tar)
        for name in image.names:
            repository, _, tag = name.partition(":")
            home = root / "repositories" / repository
            for digest in (digest_of(config), *(layer.digest for layer in image.layers)):
                _link(home / "_layers", digest)
            digest = digest_of(manifest)
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
