"""When a slot's time is over, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.expiry import abandoned, due
from codexctl_ci.slots.go_records import manifest_of, parse
from codexctl_ci.slots.queue import View
from codexctl_ci.slots.records import AgentRun, ClaimRecord, Lock, SlotRecord, SlotState, cleaning, freed, leased_to
from codexctl_ci.slots.table import format_table, holders, rows

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLAIM = ClaimRecord(Claim("ai", "issue", 7), holder="99", link="https://gh/runs/99", uid="u")
FRESH = leased_to(SlotRecord("shop", "ai", 1, "shop-dev-1"), CLAIM, now=NOW - HOUR, ttl=24 * HOUR)
OVER = replace(FRESH, expires=NOW - HOUR)
RUNNING = AgentRun("k", NOW + HOUR)
DONE = AgentRun("k", NOW - HOUR, ended=True)


@pytest.mark.parametrize(
    ("record", "closed", "step", "reason"),
    [
        (freed(FRESH, NOW), "", "none", ""),
        (FRESH, "", "none", ""),
        (FRESH, "issue #7", "clean", "issue #7 is closed"),
        (replace(FRESH, agent=RUNNING), "issue #7", "keep", "an agent works in it"),
        (replace(FRESH, agent=RUNNING), "", "none", ""),
        (replace(FRESH, agent=DONE), "issue #7", "clean", "issue #7 is closed"),
        (OVER, "", "warn", "expired at 2026-05-04 11:00"),
        (replace(OVER, warned=NOW - HOUR / 2), "", "none", "warned"),
        (replace(OVER, warned=NOW - HOUR), "", "clean", "nobody renewed it"),
        (replace(OVER, warned=NOW - HOUR, agent=DONE), "", "keep", "not published"),
        (replace(OVER, agent=RUNNING), "", "keep", "an agent works in it"),
        (cleaning(FRESH, "why"), "", "retry", "why"),
        (replace(FRESH, state=SlotState.DIRTY, reason="stuck"), "", "retry", "stuck"),
    ],
    ids=str,
)
def test_what_is_due(record: SlotRecord, closed: str, step: str, reason: str) -> None:
    found = due(record, now=NOW, closed=closed, grace=HOUR)
    assert found.step == step
    assert reason in found.reason


def test_waiting_run_is_given_up_only_after_a_long_silence() -> None:
    heard = replace(CLAIM, created=NOW - 5 * HOUR, renewed=NOW - timedelta(minutes=9))
    assert not abandoned(heard, NOW)
    assert abandoned(replace(heard, renewed=NOW - timedelta(minutes=11)), NOW)


def test_table_of_slots_is_read_at_a_glance() -> None:
    slots = {
        1: replace(FRESH, pr=12, lock=Lock("x", "99", "apply")),
        2: replace(OVER, slot=2, namespace="shop-dev-2", state=SlotState.DIRTY, reason="stuck"),
        3: replace(freed(FRESH, NOW), slot=3),
    }
    waiter = ClaimRecord(Claim("ai", "issue", 8), created=NOW - timedelta(seconds=90), holder="100", uid="w")
    text = format_table(rows(View(slots, {waiter.claim.key: waiter}), NOW))
    assert text.splitlines() == [
        "SLOT  FOR                         STATE           AGE    EXPIRES    HOLDER  NAMESPACE   LINK",
        "1     issue #7, pull request #12  leased (apply)  1h00m  in 23h00m  99      shop-dev-1  https://gh/runs/99",
        "2     issue #7                    dirty: stuck    1h00m  over       99      shop-dev-2  https://gh/runs/99",
        "-     issue #8                    waiting         1m30s  -          100     -           -",
    ]


def test_list_of_holders_says_who_since_when() -> None:
    view = View({1: replace(FRESH, lock=Lock("x", "99", "apply"))}, {}, {5})
    assert holders(view, 2, NOW).splitlines() == [
        "  slot 1: leased, issue #7 for 1h00m, run 99, apply going on",
        "  slot 5: held outside of these records (Go tool)",
    ]


def test_record_for_the_go_tool_is_read_back_as_ours() -> None:
    made = manifest_of(replace(FRESH, pr=12), "state", "codex-env-")
    assert made["data"] == {
        "slot": "1",
        "env": "ai",
        "namespace": "shop-dev-1",
        "owner": "99",
        "issue": "7",
        "pr": "12",
        "createdAt": "2026-05-04T11:00:00Z",
    }
    found = parse(made, "codex-env-")
    assert found and (found.slot, found.issue, found.pr, found.ours) == (1, 7, 12, True)


@pytest.mark.parametrize("name", ["codex-env-", "codex-env-x", "other-1", "codex-env-1-extra"])
def test_other_config_maps_are_no_records(name: str) -> None:
    assert parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}, "codex-env-") is None
