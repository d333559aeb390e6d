"""The checkout into the workspace volume: only what differs, and never over work that nobody has published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.slots.records import SourceTree

log = logging.getLogger(__name__)

_SHOWN = 20
_TRIES = 3

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
"""A file as it is measured; two are the same where they are equal."""
S = TypeVar("S", bound="SourceSide[Any]")
S_contra = TypeVar("S_contra", bound="SourceSide[Any]", contravariant=True)
"""The one kind of source that a target knows how to copy from."""


class SourceSide(Protocol[E_co]):
    """The checkout on the runner."""

    @property
    def manifest(self) -> Mapping[str, E_co]:
        """Every file of the checkout."""

    def commit(self) -> str:
        """The commit that is checked out."""

    def glance(self) -> str:
        """The name of the manifest, where that can be told without measuring; else empty."""

    def ignore_rules(self) -> Mapping[str, bytes]:
        """The checkout's ignore rules."""


class TargetSide(Protocol[E, S_contra]):
    """The tree in the volume."""

    def measure(self) -> Mapping[str, E] | None:
        """What is there; None where no tree is."""

    def glance(self) -> str:
        """The name of what is there, where that can be told without measuring; else empty."""

    def known(self) -> Mapping[str, E]:
        """How we left it."""

    def remember(self, manifest: Mapping[str, E]) -> None:
        """Record how it is now."""

    def put_rules(self, rules: Mapping[str, bytes]) -> None:
        """Keep the ignore rules with it."""

    def write(self, source: S_contra, paths: Sequence[str], removals: Sequence[str]) -> None:
        """Remove files, and copy those at ``paths`` with the repository that goes with them."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did. ``commit`` and ``tree`` name what is there now; ``moved`` is False where it was before."""

    commit: str
    tree: str
    written: int
    removed: int
    moved: bool


class DirtyTree(CodexctlError):
    """The tree holds work that is published nowhere."""


def sync_sources(
    source: S,
    target: TargetSide[E, S],
    tree: SourceTree,
    record: Callable[[Callable[[SourceTree], SourceTree]], None],
    name_of: Callable[[Mapping[str, E]], str],
    ignored: Callable[[tuple[str, ...]], frozenset[str]],
    *,
    discard_changes: bool = False,
) -> Synced:
    """Bring ``target`` to what ``source`` holds. Safe to repeat after a death at any point.

    ``tree`` is what the slot's record says, ``record`` changes that, ``name_of`` names a tree's content. Raises
    DirtyTree where unpublished work is in the way, an agent's or anybody's, unless ``discard_changes``.
    """
    commit = source.commit()
    # Where an agent worked, its repository still stands on what it began with: that is renewed in any case.
    fresh = tree.base == commit and bool(tree.synced) and not tree.touched
    if fresh and _at_a_glance(source, target) == tree.synced:
        log.info("sources: at %s, nothing to copy", commit[:12])
        return Synced(commit, tree.synced, 0, 0, False)
    wanted = source.manifest
    present = target.measure()
    now: Mapping[str, E] = present or {}
    if (
        present is not None
        and tree.synced
        and not discard_changes
        and name_of(now) not in (tree.synced, tree.published)
    ):
        _require_clean(now, target.known(), ignored)
    goal = name_of(wanted)
    written = [path for path, entry in sorted(wanted.items()) if now.get(path) != entry]
    removed = sorted(path for path in now if path not in wanted)
    if not written and not removed and fresh and tree.synced == goal and present is not None:
        log.info("sources: %d files at %s, nothing to copy", len(wanted), commit[:12])
        return Synced(commit, goal, 0, 0, False)
    # While this stands in the record what is in the tree is ours, complete or not.
    record(lambda known: replace(known, synced="", published=""))
    _write(source, target, written, removed)
    target.remember(wanted)
    target.put_rules(source.ignore_rules())
    record(lambda known: SourceTree(base=commit, synced=goal))
    log.info("sources: %s, %d files copied, %d removed", commit[:12], len(written), len(removed))
    return Synced(commit, goal, len(written), len(removed), True)


def _at_a_glance(source: S, target: TargetSide[E, S]) -> str:
    """What both sides hold, empty where they differ or nobody can tell."""
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(target.glance)
        here = source.glance()
        return here if here == there.result() else ""


def _write(source: S, target: TargetSide[E, S], written: Sequence[str], removed: Sequence[str]) -> None:
    """Once more from the start where it may have been contact that was lost: what arrived already is written over."""
    for attempt in range(1, _TRIES + 1):
        try:
            target.write(source, written, removed)
            return
        except ApiError as error:
            if not error.passing or attempt == _TRIES:
                raise
            log.warning("sources: the copy did not arrive whole, copying again: %s", error.reason or error.what)


def _require_clean(
    now: Mapping[str, E],
    known: Mapping[str, E],
    ignored: Callable[[tuple[str, ...]], frozenset[str]],
) -> None:
    added = tuple(sorted(path for path in now if path not in known))
    left_out = ignored(added)
    changed = sorted(path for path in known if path in now and now[path] != known[path])
    gone = sorted(path for path in known if path not in now)
    new = [path for path in added if path not in left_out]
    if not (new or changed or gone):
        return
    marks = [
        *(f"  new      {p}" for p in new),
        *(f"  changed  {p}" for p in changed),
        *(f"  deleted  {p}" for p in gone),
    ]
    shown = "\n".join(marks[:_SHOWN]) + (f"\n  … and {len(marks) - _SHOWN} more" if len(marks) > _SHOWN else "")
    raise DirtyTree(
        f"the sources in the slot hold work that is published nowhere:\n{shown}",
        hint="publish an agent's (pr publish, pr review-apply), save your own, or give it up with --discard-changes",
    )
