"""A pull request made from an issue's slot finds that slot by its own number, too."""

from __future__ import annotations

from dataclasses import replace

from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.queue import readable_slot_of, slot_of
from codexctl_ci.slots.records import SlotRecord


def link_pull(store: SlotStore, owner: Claim, pr: int, *, epoch: int = 0) -> SlotRecord:
    """Link pull request ``pr`` to the slot of ``owner``; the slot's record then.

    Raises ConfigError where the owner has no slot, or the pull request has another one already.
    """
    view = store.view()
    record = slot_of(view, owner)
    if record is None:
        raise ConfigError(f"{owner} has no slot", hint="run ci ensure-slot first; manage-env list shows all slots")
    other = readable_slot_of(view, Claim(store.env, "pr", pr))
    if other is not None and other.slot != record.slot:
        raise ConfigError(
            f"pull request #{pr} has slot {other.slot}, {owner} has slot {record.slot}",
            hint=f"tear one of them down: manage-env cleanup --slot {other.slot}",
        )
    return store.update(record.slot, lambda known: replace(known, pr=pr), epoch=epoch or record.epoch)
