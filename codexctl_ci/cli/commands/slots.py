"""Commands that lease, find, list and link slots."""

from __future__ import annotations

import json
import logging

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import ConfigError
from codexctl_ci.slots.records import SlotRecord

log = logging.getLogger(__name__)


def ensure_slot(inv: Invocation) -> None:
    """``ci ensure-slot``: outputs ``slot namespace env epoch``."""
    from codexctl_ci.cli.wiring.slots import lease_request, open_slots
    from codexctl_ci.operations.ensure_slot import ensure_slot as ensure

    slots = open_slots(inv)
    ensured = ensure(slots.store, lease_request(slots), go=slots.go, epoch=inv.settings[o.EPOCH])
    record = ensured.record
    _outputs(inv, record)
    inv.output(created=ensured.created, recreated=ensured.recreated)
    how = "recreated" if ensured.recreated else "created" if ensured.created else "found"
    inv.print(f"slot {record.slot} ({how}): namespace {record.namespace}, epoch {record.epoch}")
    inv.summary(
        f"### Slot {record.slot}\n\n{how}, namespace `{record.namespace}`, until {record.expires:%Y-%m-%d %H:%M} UTC"
    )


def list_slots(inv: Invocation) -> None:
    """``manage-env list``: slots and waiting claims as a table or as JSON."""
    from codexctl_ci.cli.wiring.slots import SLOT_ENVIRONMENTS, open_slots, slots_of
    from codexctl_ci.slots.table import HEADINGS, format_table, rows

    slots = open_slots(inv)
    found: list[tuple[str, ...]] = []
    records: list[dict[str, object]] = []
    environments = [slots.store.env] if inv.settings[o.ENVIRONMENT] else SLOT_ENVIRONMENTS
    leases, _ = slots.store.leases()
    for env in environments:
        view = slots_of(inv, slots.project, slots.cluster, env=env).store.view_of(leases)
        found += [(env, *row) for row in rows(view, slots.cluster.now())]
        records += [_as_json(record) for _, record in sorted(view.slots.items())]
    if inv.settings[o.OUTPUT] == "json":
        inv.print(json.dumps({"slots": records}, indent=2))
        return
    inv.print(format_table(found, ("ENV", *HEADINGS)) if found else "no slot is in use")


def set_slot(inv: Invocation) -> None:
    """``manage-env set``: link a pull request to its issue's slot, so that both find it."""
    from codexctl_ci.cli.wiring.slots import open_slots
    from codexctl_ci.operations.link_pull import link_pull
    from codexctl_ci.slots.claims import Claim, claim_for

    slots = open_slots(inv)
    settings, env = inv.settings, slots.store.env
    pr = settings[o.PR]
    if not pr:
        raise ConfigError("which pull request?", hint="give --pr or CODEXCTL_PR_NUMBER")
    owner = claim_for(env, issue=settings[o.ISSUE], branch=settings[o.BRANCH], slot=settings[o.SLOT])
    record = link_pull(slots.store, owner or Claim(env, "pr", pr), pr, epoch=settings[o.EPOCH])
    slots.go.show(record)
    _outputs(inv, record)
    inv.print(f"slot {record.slot} is linked to pull request #{pr}")


def _outputs(inv: Invocation, record: SlotRecord) -> None:
    inv.output(slot=record.slot, namespace=record.namespace, env=record.env, epoch=record.epoch)


def _as_json(record: SlotRecord) -> dict[str, object]:
    from codexctl_ci.slots.leases import slot_body

    return {"env": record.env, "slot": record.slot, "epoch": record.epoch, **slot_body(record)}
