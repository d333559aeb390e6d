"""What an image tells about itself: its platforms, its configuration, its labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from codexctl_ci.errors import ApiError
from codexctl_ci.images.reference import Reference, parse_reference
from codexctl_ci.images.registry import Manifest, Registries

_LARGEST = 8 * 1024 * 1024


def labels_of(registries: Registries, image: str) -> Mapping[str, str]:
    """The labels of an image, of the first platform where it has several; empty where there is no such image."""
    reference = parse_reference(image)
    try:
        first = next(platforms_of(registries, reference, registries.manifest(reference)), None)
        config = config_of(registries, reference, first) if first is not None else {}
    except ApiError as error:
        if error.status == 404:
            return {}
        raise
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    return {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}


def platforms_of(registries: Registries, reference: Reference, manifest: Manifest) -> Iterator[Manifest]:
    """The manifests in an index, or the one that is none."""
    if not manifest.is_index:
        yield manifest
        return
    for entry in manifest.document.get("manifests") or []:
        yield from platforms_of(registries, reference, registries.manifest(reference.with_digest(str(entry["digest"]))))


def config_of(registries: Registries, reference: Reference, manifest: Manifest) -> Mapping[str, Any]:
    """The configuration of an image that is no index; empty where it has none that can be read."""
    blob = manifest.document.get("config")
    if not isinstance(blob, dict) or int(blob.get("size") or 0) > _LARGEST:
        return {}
    answer = registries.open_blob(reference, str(blob.get("digest")))
    try:
        found = json.loads(answer.read(_LARGEST))
    except ValueError:
        return {}
    finally:
        answer.release_conn()
    return found if isinstance(found, dict) else {}
