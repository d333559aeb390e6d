"""Registries and what builds images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codexctl_ci.stack.images import BuiltImage


class ImageRegistry(Protocol):
    """Registries, each image named in full. Every method raises ApiError for an answer that is not listed."""

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where there is no such image. One HEAD."""

    def current(self, image: str) -> str | None:
        """The same by reading the manifest: no HEAD, but a few hundred bytes more."""

    def tag(self, image: str, tag: str) -> str:
        """Give what ``image`` names another tag in its repository; its digest."""

    def copy(self, source: str, target: str) -> str:
        """Make ``target`` what ``source`` is, with all platforms; the digest, the same in both."""

    def labels(self, image: str) -> Mapping[str, str]:
        """The labels of ``image`` (of its first platform), empty where there is no such image."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as a registry keeps it. ``created`` None: not told.

    ``blobs`` maps what it consists of to bytes; ``manifests`` are its digest and, of an index, those of its platforms.
    """

    digest: str
    created: datetime | None
    blobs: Mapping[str, int]
    manifests: frozenset[str]


class ImageStock(Protocol):
    """What a registry keeps, to be cleared out. Every method raises ApiError for an answer that is not listed."""

    def tags(self, repository: str) -> list[str]:
        """All tags, none where there is no such repository."""

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where there is no such image."""

    def stored(self, image: str) -> StoredImage | None:
        """All about it, None where there is no such image."""

    def delete(self, repository: str, digest: str, *, keep: Collection[str] = ()) -> bool:
        """Delete what has the digest, so every tag of it, and what refers to it unless its digest is in ``keep``; False
        where it is gone already."""


class BuildRecipes(Protocol):
    """What builds are made from, read from the project's files. Raises ConfigError for files that are not there."""

    def bases(self, image: BuiltImage) -> list[str]:
        """The images that the build takes from elsewhere, each once."""

    def key(self, image: BuiltImage, bases: Mapping[str, str]) -> str:
        """The tag that stands for the build's content. ``bases`` maps each of ``bases(image)`` to its digest."""

    def parts(self, image: BuiltImage, bases: Mapping[str, str]) -> Mapping[str, str]:
        """A short hash of each thing that goes into the key, by what it is: ``file a/b``, ``argument NAME``, …"""

    def revision(self) -> str:
        """The commit that the files come from, empty where that isn't known."""


class ImageBuilder(Protocol):
    """What builds images and pushes them. ``parallel`` is how many builds it takes at once."""

    @property
    def parallel(self) -> int: ...

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        """Build, label, push to all ``destinations``, return the digest. Raises CodexctlError with the last lines."""

    def stop(self) -> None:
        """End what is being built, from another thread; its ``build`` raises then. Nothing is begun any more."""
