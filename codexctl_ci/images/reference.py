"""How images are named."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from codexctl_ci.errors import ConfigError

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Registry host (with port), repository, and tag or digest. A reference with both means the digest."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        """Host and repository, without a version."""
        return f"{self.host}/{self.repository}"

    def with_tag(self, tag: str) -> Reference:
        """The same repository at another tag. Raises ConfigError for what is no tag."""
        if not _TAG.fullmatch(tag):
            raise ConfigError(f"{tag!r} is no tag of an image", obj=self.name)
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> Reference:
        """The same repository at a digest."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else f":{self.tag or 'latest'}")


def parse_reference(text: str) -> Reference:
    """``text`` as Docker reads it: no host means Docker Hub, one name there means ``library/``.

    Raises ConfigError where it names no image.
    """
    rest, _, digest = text.strip().partition("@")
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        host, path = head, tail
    else:
        host, path = DOCKER_HUB, rest
    path, _, tag = path.partition(":")
    if host in _HUB_NAMES:
        host = DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    wrong = (
        not _HOST.fullmatch(host)
        or not _PATH.fullmatch(path)
        or (tag and not _TAG.fullmatch(tag))
        or (digest and not _DIGEST.fullmatch(digest))
    )
    if wrong:
        raise ConfigError(f"{text!r} is no name of an image", hint="write it like registry:5000/team/app:1.2")
    return Reference(host, path, tag, digest)
