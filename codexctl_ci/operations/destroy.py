"""Removing a stack: in reverse order, layer by layer, watched until it is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import ApiError, NotReady
from codexctl_ci.operations.apply_plan import Layer
from codexctl_ci.operations.deletion import held_by
from codexctl_ci.operations.inventory import (
    Entry,
    Inventory,
    Key,
    forget,
    held_elsewhere,
    key_of,
    read_inventory,
    record,
)
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.prune import NOT_OURS, made_by_us, spared, uid_of_ours
from codexctl_ci.ports import Change, ClusterApi, Listing
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger("codexctl_ci.destroy")

Kind = tuple[str, str]


class Hooks(Protocol):
    """What happens around a destroy. Layers count from 0 in the order of deployment."""

    def before_all(self) -> None: ...

    def before_layer(self, number: int) -> None: ...

    def after_layer(self, number: int) -> None: ...

    def after_all(self) -> None: ...


@dataclass(frozen=True)
class DestroyOptions:
    """Where and how a stack is removed. ``whole``: no filter left anything out, so the inventory's objects go too."""

    environment: str
    namespace: str
    volumes: bool = False
    wait: bool = True
    timeout: timedelta = timedelta(minutes=10)
    whole: bool = True
    dry_run: bool = False


@dataclass(frozen=True)
class DestroyResult:
    """``deleted`` were there and were asked to go (would be, in a dry run); ``kept`` were spared, with the reason."""

    deleted: tuple[Ref, ...]
    kept: tuple[tuple[Ref, str], ...]


def destroy_stack(
    cluster: ClusterApi,
    layers: Sequence[Layer],
    options: DestroyOptions,
    *,
    hooks: Hooks,
    clock: Callable[[], float] = time.monotonic,
) -> DestroyResult:
    """Delete what the stack renders, and what was applied before it, in the environment's namespace: last layer first.

    Never deletes a namespace, anything cluster-scoped or in another namespace; volume claims only with ``volumes``.
    Raises NotReady naming each object that is still there at the end of the time, and what holds it.
    """
    inventory = read_inventory(cluster, options.namespace, options.environment)
    run = _Run(cluster, options, inventory, clock)
    rendered = [_refs(layer, options.namespace, cluster) for layer in layers]
    known = {key_of(ref) for refs in rendered for ref in refs}
    left_over = [entry for key, entry in inventory.entries.items() if key not in known] if options.whole else []
    if not options.dry_run:
        hooks.before_all()
    uids = each(left_over, lambda entry: entry.uid or uid_of_ours(cluster, entry))
    run.remove([entry.ref for entry in left_over], {entry.ref: uid for entry, uid in zip(left_over, uids, strict=True)})
    for number in reversed(range(len(layers))):
        if not options.dry_run:
            hooks.before_layer(number)
        run.remove(rendered[number])
        if not options.dry_run:
            hooks.after_layer(number)
    if not options.dry_run:
        _forget_gone(cluster, inventory, run.settled)
        hooks.after_all()
    return DestroyResult(tuple(run.deleted), tuple(run.kept))


def _forget_gone(cluster: ClusterApi, inventory: Inventory, settled: Sequence[Key]) -> None:
    if inventory.stored is None:
        return
    entries: list[Entry] = [entry for key, entry in inventory.entries.items() if key not in settled]
    if entries:
        record(cluster, inventory, [], settled)
    else:
        forget(cluster, inventory)


class _Run:
    def __init__(
        self, cluster: ClusterApi, options: DestroyOptions, inventory: Inventory, clock: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._entries = inventory.entries
        self._elsewhere = held_elsewhere(cluster, inventory)
        self._options = options
        self._clock = clock
        self._end = clock() + options.timeout.total_seconds()
        self.deleted: list[Ref] = []
        self.kept: list[tuple[Ref, str]] = []
        self.settled: list[Key] = []

    def remove(self, refs: Sequence[Ref], uids: Mapping[Ref, str] | None = None) -> None:
        """Delete ``refs`` all at once and wait until they are gone. Of those in ``uids`` only the very object."""
        doomed: list[Ref] = []
        for ref in refs:
            why = _why_kept(ref, self._options)
            if ref.namespace == self._options.namespace and key_of(ref) in self._elsewhere:
                self.kept.append((ref, f"is in {self._elsewhere[key_of(ref)]} too"))
                entry = self._entries.get(key_of(ref))
                if entry is None or not entry.found:
                    # From here on it is that one's alone.
                    self.settled.append(key_of(ref))
            elif why:
                self.kept.append((ref, why))
            else:
                doomed.append(ref)
        kinds = sorted({(ref.api_version, ref.kind) for ref in doomed})
        listings = dict(zip(kinds, each(kinds, self._list), strict=True))
        there: list[tuple[Ref, Manifest]] = []
        for ref in doomed:
            listing = listings[(ref.api_version, ref.kind)]
            live = next((item for item in listing.items if item["metadata"]["name"] == ref.name), None)
            wanted = uids[ref] if uids else None
            entry = self._entries.get(key_of(ref))
            if live is not None and not made_by_us(live, entry) and (uids is None or (entry and entry.found)):
                self.kept.append((ref, NOT_OURS))
                continue
            if live is not None and wanted in (None, live["metadata"]["uid"]):
                there.append((ref, live))
            self.settled.append(key_of(ref))
        self.deleted += [ref for ref, _ in there]
        if self._options.dry_run:
            return
        each(there, self._delete)
        if self._options.wait:
            self._wait(there, listings)

    def _list(self, kind: Kind) -> Listing:
        if self._cluster.namespaced(*kind) is None:
            # Its definition is gone, and all its objects with it.
            return Listing([], "")
        return self._cluster.list(*kind, self._options.namespace)

    def _delete(self, item: tuple[Ref, Manifest]) -> None:
        ref, live = item
        try:
            # Foreground: what it owns goes first, so that "gone" means that its pods are gone too.
            self._cluster.delete(ref, uid=live["metadata"]["uid"], background=False)
        except ApiError as error:
            if error.status != 409:
                raise
            log.info("%s was made anew meanwhile and stays", ref)
        else:
            log.info("%s deleted", ref)

    def _wait(self, there: Sequence[tuple[Ref, Manifest]], listings: dict[Kind, Listing]) -> None:
        kinds = sorted({(ref.api_version, ref.kind) for ref, _ in there})
        waiting = {
            kind: {m["metadata"]["uid"]: m for r, m in there if (r.api_version, r.kind) == kind} for kind in kinds
        }
        left = [
            item for rest in each(kinds, lambda kind: self._gone(kind, waiting[kind], listings[kind])) for item in rest
        ]
        if left:
            names = "\n".join(f"- {ref_of(live)}: {held_by(live)}" for live in left)
            raise NotReady(
                f"{len(left)} objects are still there after {format_duration(self._options.timeout)}:\n{names}",
                hint="see who owns the finalizers; destroy can be run again",
            )

    def _gone(self, kind: Kind, waiting: dict[str, Manifest], listing: Listing) -> list[Manifest]:
        """Those of ``waiting`` (by UID) that are still there when time is over, as they are then."""
        watch = self._cluster.watch(
            *kind,
            self._options.namespace,
            since=listing.resource_version,
            timeout=timedelta(seconds=max(0.0, self._end - self._clock())),
            known=listing.items,
        )
        try:
            if waiting:
                for change in watch:
                    self._see(change, kind, waiting)
                    if not waiting:
                        break
        finally:
            watch.close()
        return list(waiting.values())

    def _see(self, change: Change, kind: Kind, waiting: dict[str, Manifest]) -> None:
        uid = change.object["metadata"].get("uid", "")
        if uid in waiting:
            if change.kind == "DELETED":
                waiting.pop(uid)
            else:
                waiting[uid] = {"apiVersion": kind[0], "kind": kind[1]} | change.object


def _why_kept(ref: Ref, options: DestroyOptions) -> str:
    if ref.kind == "Namespace":
        return "is a namespace"
    return spared(ref, options.namespace, options.volumes)


def _refs(layer: Layer, namespace: str, cluster: ClusterApi) -> list[Ref]:
    found = []
    for item in layer.items:
        for manifest in item.manifests:
            ref = ref_of(manifest)
            if not ref.namespace and cluster.namespaced(ref.api_version, ref.kind):
                ref = Ref(ref.api_version, ref.kind, ref.name, namespace)
            found.append(ref)
    return list(dict.fromkeys(found))
