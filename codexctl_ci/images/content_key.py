"""The key of a build: equal keys make equal images."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_VERSION = 2
TAG_PREFIX = "ck-"


@dataclass(frozen=True)
class Ingredients:
    """All that goes into an image.

    ``contexts`` maps names of further contexts to their hash or digest, ``bases`` image names to digests. Values of
    the arguments in ``secret_arguments`` enter by HMAC alone. ``platform`` like ``linux/amd64``; ``builder`` names the
    program that builds.
    """

    context: str
    dockerfile: str
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_arguments: frozenset[str] = frozenset()
    contexts: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    builder: str = ""


def content_key(parts: Ingredients) -> str:
    """32 hexadecimal digits that change with every ingredient, and with nothing else."""
    arguments = {
        name: _sealed(name, value) if name in parts.secret_arguments else ["plain", value]
        for name, value in parts.arguments.items()
    }
    document = {
        "version": _VERSION,
        "context": parts.context,
        "dockerfile": parts.dockerfile,
        "arguments": arguments,
        "contexts": dict(parts.contexts),
        "bases": dict(parts.bases),
        "platform": parts.platform,
        "builder": parts.builder,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _sealed(name: str, value: str) -> list[str]:
    # The secret is the HMAC's key and no message of a bare hash: tables of hashes are of no use against it.
    return [
        "sealed",
        hmac.new(value.encode(), f"codexctl-ci build argument {name}".encode(), hashlib.sha256).hexdigest(),
    ]


def tag_of(key: str) -> str:
    """The tag under which a registry keeps the image of that key."""
    return TAG_PREFIX + key
