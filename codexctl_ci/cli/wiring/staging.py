"""Staging beside a repair, which works in the same namespace and in the same tree of the volume."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.located import REPAIRS
from codexctl_ci.cli.wiring.slots import Slots, slots_of
from codexctl_ci.errors import ApiError
from codexctl_ci.operations.slot_lock import OperationLock, SlotBusy
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project

log = logging.getLogger(__name__)


@dataclass
class Repairs:
    """The repair that a command in staging may meet. Whoever works in staging's tree holds its slot's lock."""

    inv: Invocation
    project: Project
    server: ClusterApi
    _lock: OperationLock | None = None
    _busy: SlotBusy | None = None

    @contextmanager
    def waited_for(self, what: str) -> Iterator[None]:
        """No command and no agent of a repair is at work during the body of the ``with``.

        One that does not end in ten minutes is not waited for any longer, but the tree is left to it.
        """
        with ExitStack() as stack:
            record = self._read()
            if record is not None and not record.free:
                try:
                    self._lock = stack.enter_context(self._locked(what))
                except SlotBusy as error:
                    self._busy = error
                    log.warning("a repair is still at work in %s; deploying all the same (%s)", record.namespace, error)
            yield

    @contextmanager
    def tree(self) -> Iterator[OperationLock | None]:
        """Staging's tree is ours for the body of the ``with``; the lock, None where there are no repairs here.

        Raises SlotBusy where a repair is at work in the tree, or about to be.
        """
        if self._busy is not None:
            raise self._busy
        with ExitStack() as stack:
            lock = self._lock
            if lock is None and self._read(or_make=True) is not None:
                lock = stack.enter_context(self._locked("sync-sources"))
            tree = lock.record.tree if lock is not None else None
            if lock is not None and tree is not None and tree.synced and not tree.touched:
                raise SlotBusy(
                    "a repair's agent is about to begin in its sources",
                    obj=self._slots.store.describe(lock.record.slot),
                    hint="wait for that run to end, or cancel it",
                )
            yield lock

    @cached_property
    def _slots(self) -> Slots:
        return slots_of(self.inv, self.project, self.server, env=REPAIRS)

    def _locked(self, what: str) -> OperationLock:
        return OperationLock(self._slots.store, 1, what=what, run=self.inv.settings[o.RUN_ID])

    def _read(self, *, or_make: bool = False) -> SlotRecord | None:
        """What is known of the repair's slot. Where there never was one it is made, so that it can be locked."""
        if REPAIRS not in self.project.spec.environments:
            return None
        store = self._slots.store
        try:
            record = store.read(1)
            if record is None and or_make:
                namespace = self._slots.namespace_of(1)
                record = store.put(SlotRecord(store.project, store.env, 1, namespace))
        except ApiError as error:
            if error.conflict:
                return store.read(1)
            if error.status != 403:
                raise
            log.debug("repairs can't be seen with this identity: %s", error.reason)
            return None
        return record
