"""What is to be done for an image, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Action(StrEnum):
    """``tag``: what is wanted is there under another tag of the repository."""

    COPY = "copy"
    BUILD = "build"
    TAG = "tag"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an image needs and why.

    ``reference`` is what containers name, ``digest`` what it is or will be, empty while only the build will tell.
    ``source`` is where a copy or a tag comes from; ``key`` the tag of a build's content. ``changed`` says all that
    differs from what the tag's image was made from, where that is known; ``labels`` go onto a build's image.
    """

    name: str
    reference: str
    action: Action
    why: str
    digest: str = ""
    source: str = ""
    key: str = ""
    changed: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """How it went. ``error`` is empty where the image is as wanted."""

    decision: Decision
    digest: str = ""
    took: timedelta = timedelta()
    error: str = ""


@dataclass(frozen=True, slots=True)
class StoredBuild:
    """A digest of a build with all its tags. ``outcome`` is ``kept``, ``planned``, ``deleted`` or ``gone``."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    outcome: str
    why: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """``reclaimable``: bytes of layers that nothing else we know of needs; the registry frees them in its own time."""

    builds: tuple[StoredBuild, ...]
    reclaimable: int
