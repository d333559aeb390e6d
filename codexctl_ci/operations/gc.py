"""Taking back what nobody needs: slots of closed issues, expired ones, failed clean-ups, leftovers of dead runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.cleanup import CleanedSlot, CleanupRequest, clean_slots, unreadable_slots
from codexctl_ci.operations.go_tool import GoTool
from codexctl_ci.operations.overdue_agent import end_overdue_agent, is_overdue
from codexctl_ci.operations.slot_namespace import EPOCH, namespace_ref
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import IssueTracker
from codexctl_ci.slots.expiry import abandoned, due
from codexctl_ci.slots.leases import ENV, MANAGED_BY, PROJECT, SLOT, TOOL
from codexctl_ci.slots.queue import View, waiting
from codexctl_ci.slots.records import SlotRecord

log = logging.getLogger(__name__)

TOPIC = "slot"


@dataclass(frozen=True, slots=True)
class GcRequest:
    """How to collect. ``grace`` lies between the warning on an issue and the taking of its slot."""

    run: str = ""
    dry_run: bool = False
    grace: timedelta = timedelta(hours=1)
    patience: timedelta = timedelta(seconds=90)
    deletion: timedelta = timedelta(minutes=5)
    remove_rendered: Callable[[SlotRecord], None] = lambda record: None


def collect(
    store: SlotStore,
    request: GcRequest,
    *,
    go: GoTool | None = None,
    tracker: IssueTracker | None = None,
    unsaved: Callable[[SlotRecord], str] = lambda record: "",
) -> list[CleanedSlot]:
    """Go over all slots of an environment once; what came of each that needed something.

    Without a ``tracker`` nothing is known of issues: only what expired or failed is taken. One slot's failure doesn't
    keep the others: its outcome is ``failed`` then. With ``dry_run`` nothing is written anywhere.
    """
    view = store.view()
    done = unreadable_slots(view)
    for _, record in sorted(view.slots.items()):
        done += _one(store, record, request, go or GoTool(store), tracker, unsaved)
    done += _claims(store, view, request)
    done += _leftovers(store, view, request)
    return done


def _one(
    store: SlotStore,
    record: SlotRecord,
    request: GcRequest,
    go: GoTool,
    tracker: IssueTracker | None,
    unsaved: Callable[[SlotRecord], str],
) -> list[CleanedSlot]:
    ended: list[CleanedSlot] = []
    try:
        if is_overdue(record, store) and not request.dry_run:
            record = end_overdue_agent(store, record)
            ended = [_outcome(record, "ended", "its agent was over its time")]
    except CodexctlError as error:
        return [_failed(record, f"its agent is over its time and cannot be ended: {_one_line(error)}")]
    closed, silent = "", False
    try:
        closed = "" if record.free else _closed(record, tracker)
    except CodexctlError as error:
        # What time alone decides goes on, as it does without a tracker.
        silent = True
        ended.append(_failed(record, f"whether its issue is closed cannot be told: {_one_line(error)}"))
    found = due(record, now=store.cluster.now(), closed=closed, grace=request.grace)
    if found.step == "none" or (silent and found.step == "warn"):
        return ended
    if found.step == "keep":
        return [*ended, _outcome(record, "kept", found.reason)]
    if found.step == "warn":
        return [*ended, _warn(store, record, found.reason, request, tracker)]
    clean = CleanupRequest(
        reason=found.reason,
        # A closed issue is its people's word that the work in the slot may go.
        force=bool(closed) or found.step == "retry",
        run=request.run,
        patience=request.patience,
        deletion=request.deletion,
        remove_rendered=request.remove_rendered,
    )
    return [*ended, *clean_slots(store, [record], clean, go=go, dry_run=request.dry_run, unsaved=unsaved)]


def _closed(record: SlotRecord, tracker: IssueTracker | None) -> str:
    if tracker is None:
        return ""
    # `missing` may as well be a token that must not see it: only `closed` is somebody's word.
    if record.issue and tracker.issue_state(record.issue) == "closed":
        return f"issue #{record.issue}"
    if record.pr and tracker.pull_state(record.pr) == "closed":
        return f"pull request #{record.pr}"
    return ""


def _warn(
    store: SlotStore, record: SlotRecord, reason: str, request: GcRequest, tracker: IssueTracker | None
) -> CleanedSlot:
    if request.dry_run:
        return _outcome(record, "planned", f"warning: {reason}")
    number = record.issue or record.pr
    if tracker is not None and number:
        wait = format_duration(request.grace)
        try:
            tracker.comment(
                number,
                TOPIC,
                f"The environment of this {'issue' if record.issue else 'pull request'} (slot {record.slot}, namespace "
                f"`{record.namespace}`) was not used for long: {reason}. It will be taken down in {wait} unless a run "
                "uses it before. Nothing that is published is lost; label the issue again to get a new one.",
            )
        except CodexctlError as error:
            return _failed(record, f"the warning could not be given: {_one_line(error)}")
    now = store.cluster.now()
    store.update(record.slot, lambda known: replace(known, warned=now), epoch=record.epoch)
    return _outcome(record, "warned", reason)


def _claims(store: SlotStore, view: View, request: GcRequest) -> list[CleanedSlot]:
    """Claims whose runs died in the queue."""
    done = []
    now = store.cluster.now()
    for claim in waiting(view):
        if abandoned(claim, now):
            if not request.dry_run:
                store.drop_claim(claim.claim, uid=claim.uid, resource_version=claim.resource_version)
            done.append(CleanedSlot(0, "", "planned" if request.dry_run else "freed", f"{claim.claim} no longer waits"))
    return done


def _leftovers(store: SlotStore, view: View, request: GcRequest) -> list[CleanedSlot]:
    """Namespaces with a slot's marks that no slot has: made by a run that slept while its slot went to another."""
    labels = f"{MANAGED_BY}={TOOL},{PROJECT}={store.project},{ENV}={store.env},{SLOT}"
    done = []
    for namespace in store.cluster.list("v1", "Namespace", labels=labels).items:
        meta = namespace["metadata"]
        number = str(meta["labels"][SLOT])
        record = view.slots.get(int(number)) if number.isdigit() else None
        epoch = str((meta.get("annotations") or {}).get(EPOCH) or "")
        if record is None or not record.free or not epoch.isdigit() or int(epoch) > record.epoch:
            continue
        if meta.get("deletionTimestamp"):
            continue
        if not request.dry_run:
            store.cluster.delete(namespace_ref(meta["name"]), uid=meta["uid"])
        outcome = "planned" if request.dry_run else "freed"
        done.append(CleanedSlot(record.slot, meta["name"], outcome, "namespace without an owner"))
    return done


def _failed(record: SlotRecord, reason: str) -> CleanedSlot:
    return _outcome(record, "failed", reason)


def _one_line(error: CodexctlError) -> str:
    return str(error).replace("\n  next: ", "; next: ").replace("\n", " ")


def _outcome(record: SlotRecord, outcome: str, reason: str) -> CleanedSlot:
    log.debug("slot %d: %s, %s", record.slot, outcome, reason)
    return CleanedSlot(record.slot, record.namespace, outcome, reason)
