"""Slot, bootstrap, sources, images, stack: whatever of it is missing, in the one order that works.

The volume must be there before sources are copied into it, the registry before images are pushed to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from codexctl_ci.slots.records import Prepared

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parts are asked for."""

    sources: bool
    images: bool
    apply: bool


class Steps(Protocol):
    """What the parts do, in the environment in question. Each may be repeated."""

    def bootstrap(self) -> None:
        """Apply what sources and images need: volumes, accounts, a registry."""

    def sources(self) -> str:
        """Copy the checkout; the commit that is there now."""

    def images(self) -> None:
        """Mirror and build what is missing."""

    def apply(self) -> bool:
        """Apply the stack and wait; whether it is ready."""


@dataclass(frozen=True, slots=True)
class Readied:
    """What came of it. ``ready`` is None where nothing was applied and nobody waited."""

    prepared: Prepared
    ready: bool | None


def ensure_ready(
    steps: Steps, wanted: Wanted, prepared: Prepared, record: Callable[[Callable[[Prepared], Prepared]], Prepared]
) -> Readied:
    """Do the parts that are asked for; what is done is recorded at once, so that a repeat goes on from there.

    ``prepared`` is what the record says, ``record`` changes that and gives it back.
    """
    if wanted.sources or wanted.images or not prepared.infra:
        log.info("bootstrap: volumes, accounts and what else sources and images need")
        steps.bootstrap()
        prepared = record(lambda known: replace(known, infra=True))
    if wanted.sources:
        commit = steps.sources()
        prepared = record(lambda known: replace(known, sources=commit))
    if wanted.images:
        steps.images()
        prepared = record(lambda known: replace(known, images=True))
    ready: bool | None = None
    if wanted.apply:
        # While a deploy runs nothing is known of the stack's health.
        record(lambda known: replace(known, healthy=False))
        outcome = ready = steps.apply()
        prepared = record(lambda known: replace(known, stack=known.sources or "applied", healthy=outcome))
    return Readied(prepared, ready)
