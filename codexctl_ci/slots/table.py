"""Slots as a table that a person reads at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.slots.claims import parse_key
from codexctl_ci.slots.queue import View, waiting
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState, UnreadableSlot

HEADINGS = ("SLOT", "FOR", "STATE", "AGE", "EXPIRES", "HOLDER", "NAMESPACE", "LINK")


def rows(view: View, now: datetime) -> list[tuple[str, ...]]:
    """One row a slot that isn't free or can't be read, then one for each waiting claim, as ``HEADINGS`` name them."""
    used = [record for _, record in sorted(view.slots.items()) if not record.free]
    return [
        *(_slot_row(record, now) for record in used),
        *(_unreadable_row(slot) for _, slot in sorted(view.unreadable.items())),
        *(_claim_row(claim, now) for claim in waiting(view)),
    ]


def format_table(cells: Sequence[Sequence[str]], headings: Sequence[str] = HEADINGS) -> str:
    """Rows under their headings, columns aligned."""
    lines = [headings, *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def holders(view: View, limit: int, now: datetime) -> str:
    """Who holds which slot since when, and who waits, a line each."""
    lines = []
    for number, record in sorted(view.slots.items()):
        if not record.free:
            since = f"for {_age(record.created, now)}" if record.created else ""
            run = f", run {record.holder}" if record.holder else ""
            lock = f", {record.lock.what} going on" if record.lock else ""
            reason = f": {record.reason}" if record.reason else ""
            lines.append(f"  slot {number}: {record.state.value}, {_whom(record)} {since}{run}{lock}{reason}")
    lines += [f"  slot {number}: its record cannot be read" for number in sorted(view.unreadable)]
    lines += [f"  slot {number}: held outside of these records (Go tool)" for number in sorted(view.taken)]
    lines += [
        f"  waiting: {claim.claim} for {_age(claim.created, now)}, run {claim.holder or '-'}" for claim in waiting(view)
    ]
    return "\n".join(lines) or f"  no slot is in use (limit {limit or 'none'})"


def _slot_row(record: SlotRecord, now: datetime) -> tuple[str, ...]:
    state = record.state.value
    if record.lock:
        state += f" ({record.lock.what})"
    elif record.agent_running(now):
        state += " (agent)"
    if record.reason and record.state is not SlotState.LEASED:
        state += f": {record.reason}"
    expires = "-"
    if record.expires:
        expires = "over" if record.expires <= now else "in " + format_duration(record.expires - now)
    return (
        str(record.slot),
        _whom(record),
        state,
        _age(record.created, now),
        expires,
        record.holder or "-",
        record.namespace,
        record.link or "-",
    )


def _unreadable_row(slot: UnreadableSlot) -> tuple[str, ...]:
    return (str(slot.slot), slot.claim or "-", f"unreadable: {slot.error.reason}", "-", "-", "-", "-", "-")


def _claim_row(claim: ClaimRecord, now: datetime) -> tuple[str, ...]:
    return (
        "-",
        str(claim.claim),
        f"waiting for slot {claim.wanted}" if claim.wanted else "waiting",
        _age(claim.created, now),
        "-",
        claim.holder or "-",
        "-",
        claim.link or "-",
    )


def _whom(record: SlotRecord) -> str:
    parts = [f"issue #{record.issue}" if record.issue else "", f"pull request #{record.pr}" if record.pr else ""]
    named = ", ".join(part for part in parts if part)
    return named or (str(parse_key(record.claim)) if record.claim else "-")


def _age(since: datetime | None, now: datetime) -> str:
    return format_duration(now - since if since and now > since else timedelta()) if since else "-"
