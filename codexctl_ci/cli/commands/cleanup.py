"""Commands that take slots back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import CodexctlError, ConfigError

if TYPE_CHECKING:
    from codexctl_ci.cli.wiring.slots import Slots
    from codexctl_ci.operations.cleanup import CleanedSlot
    from codexctl_ci.ports import IssueTracker
    from codexctl_ci.slots.records import SlotRecord

    _Found = tuple[Slots, Sequence[SlotRecord], Sequence[CleanedSlot]]

log = logging.getLogger(__name__)


def cleanup(inv: Invocation) -> None:
    """``manage-env cleanup``: the slot of --slot, --issue or --pr, or --all. Work that isn't published is kept."""
    from codexctl_ci.cli.wiring.slots import open_slots, require_claim
    from codexctl_ci.operations.cleanup import unreadable_slots

    slots = open_slots(inv)
    view = slots.store.view()
    used = [record for _, record in sorted(view.slots.items()) if not record.free]
    claim = None
    if not inv.settings[o.ALL]:
        claim = require_claim(inv, slots.store.env)
        used = [record for record in used if _matches(record, claim.key, claim.kind, claim.number)]
    found = [(slots, used, unreadable_slots(view, claim))]
    _clean(inv, found, "asked for by hand" if not inv.in_actions else "asked for by a workflow")


def cleanup_issue(inv: Invocation) -> None:
    """``manage-env cleanup-issue``: what the issue of --issue holds. A closed issue's slot goes with all in it."""
    number = inv.settings[o.ISSUE]
    if not number:
        raise ConfigError("which issue?", hint="give --issue or CODEXCTL_ISSUE_NUMBER")
    _clean_for(inv, "issue", number)


def cleanup_pr(inv: Invocation) -> None:
    """``manage-env cleanup-pr``: what the pull request of --pr holds, by its own number or by its agent's branch."""
    number = inv.settings[o.PR]
    if not number:
        raise ConfigError("which pull request?", hint="give --pr or CODEXCTL_PR_NUMBER")
    _clean_for(inv, "pr", number)


def gc(inv: Invocation) -> None:
    """``manage-env gc``: closed, expired, dirty and left-over ones, in all environments with slots."""
    from codexctl_ci.cli.wiring.slot_cleaning import remove_rendered, unsaved_work
    from codexctl_ci.operations.gc import GcRequest, collect

    done: list[CleanedSlot] = []
    tracker = _tracker(inv)
    for slots in _environments(inv, all_of_them=not inv.settings[o.ENVIRONMENT]):
        request = GcRequest(
            run=inv.settings[o.RUN_ID],
            dry_run=inv.settings[o.DRY_RUN],
            remove_rendered=remove_rendered(slots),
        )
        done += collect(slots.store, request, go=slots.go, tracker=tracker, unsaved=unsaved_work(slots))
    _report(inv, done)


def _clean_for(inv: Invocation, kind: str, number: int) -> None:
    from codexctl_ci.operations.cleanup import unreadable_slots
    from codexctl_ci.slots.claims import Claim, claim_for

    tracker = _tracker(inv)
    closed = False
    if tracker is not None:
        closed = (tracker.issue_state(number) if kind == "issue" else tracker.pull_state(number)) == "closed"
    found: list[_Found] = []
    for slots in _environments(inv, all_of_them=inv.settings[o.INCLUDE_AI_REPAIR]):
        owner = claim_for(
            slots.store.env,
            issue=number if kind == "issue" else 0,
            pr=number if kind == "pr" else 0,
            branch=inv.settings[o.BRANCH] if kind == "pr" else "",
        )
        view = slots.store.view()
        records = [
            record
            for _, record in sorted(view.slots.items())
            if not record.free and (_matches(record, owner.key if owner else "", kind, number))
        ]
        claim = owner or Claim(slots.store.env, "issue" if kind == "issue" else "pr", number)
        found.append((slots, records, unreadable_slots(view, claim)))
    what = "issue" if kind == "issue" else "pull request"
    _clean(inv, found, f"{what} #{number} is {'closed' if closed else 'done'}", force=closed)
    if inv.settings[o.CLOSE_ISSUE]:
        from codexctl_ci.cli.commands.github import close_linked_issue

        close_linked_issue(inv)
    if inv.settings[o.DELETE_BRANCH]:
        from codexctl_ci.cli.commands.github import delete_branch

        delete_branch(inv)


def _matches(record: SlotRecord, key: str, kind: str, number: int) -> bool:
    linked = {"issue": record.issue, "pr": record.pr, "slot": record.slot}[kind]
    return record.claim == key or linked == number


def _environments(inv: Invocation, *, all_of_them: bool) -> list[Slots]:
    from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS
    from codexctl_ci.cli.wiring.slots import open_slots

    if inv.settings[o.ENVIRONMENT] or not all_of_them:
        first = open_slots(inv)
        rest = [env for env in SLOT_ENVIRONMENTS if env != first.store.env] if all_of_them else []
        return [first, *(open_slots(inv, env=env) for env in rest)]
    return [open_slots(inv, env=env) for env in SLOT_ENVIRONMENTS]


def _tracker(inv: Invocation) -> IssueTracker | None:
    from codexctl_ci.cli.wiring.github import github_or_none
    from codexctl_ci.github.tracking import Tracker

    github = github_or_none(inv)
    return Tracker(github) if github else None


def _clean(inv: Invocation, found: Iterable[_Found], reason: str, *, force: bool = False) -> None:
    from codexctl_ci.cli.wiring.slot_cleaning import remove_rendered, unsaved_work
    from codexctl_ci.operations.cleanup import CleanupRequest, clean_slots

    done: list[CleanedSlot] = []
    for slots, records, unreadable in found:
        done += unreadable
        request = CleanupRequest(
            reason=reason,
            force=force or inv.settings[o.FORCE],
            epoch=inv.settings[o.EPOCH],
            run=inv.settings[o.RUN_ID],
            remove_rendered=remove_rendered(slots),
        )
        done += clean_slots(
            slots.store, records, request, go=slots.go, dry_run=inv.settings[o.DRY_RUN], unsaved=unsaved_work(slots)
        )
    _report(inv, done)


def _report(inv: Invocation, done: Sequence[CleanedSlot]) -> None:
    if o.OUTPUT.name in inv.settings.values and inv.settings[o.OUTPUT] == "json":
        rows = [{"slot": d.slot, "namespace": d.namespace, "outcome": d.outcome, "reason": d.reason} for d in done]
        inv.print(json.dumps({"slots": rows}, indent=2))
    else:
        lines = [f"{_name(one)}: {one.outcome}{f' ({one.reason})' if one.reason else ''}" for one in done]
        inv.print("\n".join(lines) or "nothing to take back")
    if done:
        table = "\n".join(f"| {one.slot or '-'} | {one.outcome} | {one.reason} |" for one in done)
        inv.summary(f"### Slots\n\n| slot | outcome | why |\n|---|---|---|\n{table}")
    bad = [one for one in done if one.outcome in ("dirty", "failed")]
    if bad:
        dirty = all(one.outcome == "dirty" for one in bad)
        raise CodexctlError(
            f"{_slots(bad)} could not be {'cleaned' if dirty else 'dealt with'}; all else was done",
            reason="; ".join(f"slot {one.slot}: {one.reason}" for one in bad),
            hint=f"remove what {'holds' if dirty else 'hinders'} them; manage-env gc tries again",
        )


def _slots(some: Sequence[CleanedSlot]) -> str:
    count = len({one.slot for one in some})
    return "1 slot" if count == 1 else f"{count} slots"


def _name(one: CleanedSlot) -> str:
    return f"slot {one.slot}" + (f" ({one.namespace})" if one.namespace else "") if one.slot else "queue"
