"""What clean-up needs to know of a slot's inside."""

from __future__ import annotations

import logging
from collections.abc import Callable

from codexctl_ci.cli import options as o
from codexctl_ci.cli.wiring.slots import Slots
from codexctl_ci.cli.wiring.workspace import claim_of, folder_of
from codexctl_ci.errors import CodexctlError
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.workspace.sync_pod import sync_pod
from codexctl_ci.workspace.tree_state import Note
from codexctl_ci.workspace.volume import VolumeTree

log = logging.getLogger(__name__)


def remove_rendered(slots: Slots) -> Callable[[SlotRecord], None]:
    """Removes what a repair rendered into staging's namespace, and nothing else that is there: what staging
    holds too is staging's."""

    def remove(record: SlotRecord) -> None:
        from codexctl_ci.operations.inventory import forget, read_inventory
        from codexctl_ci.operations.prune import prune

        inventory = read_inventory(slots.cluster, record.namespace, record.env)
        prune(slots.cluster, inventory, inventory.entries.values(), applied=(), volumes=False)
        forget(slots.cluster, inventory)
        if record.tree.touched:
            _give_up_tree(slots, record)

    return remove


def _give_up_tree(slots: Slots, record: SlotRecord) -> None:
    """What a repair left in staging's tree is nobody's from here on: the next deploy may write over it."""
    inv = slots.inv
    try:
        with sync_pod(slots.cluster, record.namespace, claim_of(inv, slots.project), inv.settings[o.SYNC_IMAGE]) as pod:
            VolumeTree(pod, folder_of(inv, record.env, 0)).put_note(Note())
    except CodexctlError as error:
        log.warning("staging's deploys leave the repair's sources alone until --discard-changes: %s", error)


def unsaved_work(slots: Slots) -> Callable[[SlotRecord], str]:
    """Tells what unpublished work is in a slot's tree, an agent's or anybody's, empty where there is none. A tree that
    can't be looked at is kept."""

    def look(record: SlotRecord) -> str:
        # A tree that we don't stand for was left half written by us, or holds what a plan's agent tried.
        if not (record.tree.synced and record.namespace_uid):
            return ""
        try:
            return _difference(slots, record)
        except CodexctlError as error:
            return f"its sources cannot be looked at: {error.what}"

    return look


def _difference(slots: Slots, record: SlotRecord) -> str:
    from codexctl_ci import process
    from codexctl_ci.operations.slot_access import deployer
    from codexctl_ci.operations.slot_namespace import namespace_ref
    from codexctl_ci.workspace.ignoring import ignored
    from codexctl_ci.workspace.manifest import difference, without

    inv = slots.inv
    if slots.cluster.get(namespace_ref(record.namespace)) is None:
        return ""
    cluster = deployer(slots.cluster, record)
    slot = 0 if record.keeps_namespace else record.slot
    with sync_pod(cluster, record.namespace, claim_of(inv, slots.project), inv.settings[o.SYNC_IMAGE]) as pod:
        volume = VolumeTree(pod, folder_of(inv, record.env, slot))
        known = volume.known()
        now = volume.measure() or {}
        left_out = ignored(difference(known, now).added, volume.rules(), process.run, inv.environ)
        found = difference(known, without(now, left_out))
    return f"its sources hold work that is published nowhere: {found}" if found.paths else ""
