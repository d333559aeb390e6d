"""Records survive the way through a Lease, and claims have one name each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.errors import CodexctlError
from codexctl_ci.slots.claims import Claim, claim_for, issue_of_branch, parse_key
from codexctl_ci.slots.leases import (
    RECORD,
    UnreadableRecord,
    claim_from_lease,
    claim_name,
    claim_to_lease,
    slot_from_lease,
    slot_to_lease,
)
from codexctl_ci.slots.records import (
    AgentRun,
    ClaimRecord,
    Lock,
    Prepared,
    SlotRecord,
    SourceTree,
    cleaning,
    freed,
    leased_to,
    renewed_by,
)

NOW = datetime(2026, 5, 4, 12, 30, 15, 250000, tzinfo=UTC)
DAY = timedelta(hours=24)
ISSUE = Claim("ai", "issue", 7)
EMPTY = SlotRecord("shop", "ai", 3, "shop-dev-3")
FULL = replace(
    leased_to(EMPTY, ClaimRecord(ISSUE, holder="99", link="https://x/99", uid="u1"), now=NOW, ttl=DAY, pr=12),
    warned=NOW,
    namespace_uid="n1",
    adopted=True,
    reason="why",
    thread_id="t-1",
    prepared=Prepared(infra=True, sources="abc", images=True, stack="def", healthy=True),
    agent=AgentRun("1.99", NOW + DAY, ended=True, published=True),
    tree=SourceTree("c0ffee", "aa", "bb", touched=True),
    lock=Lock("me", "99", "apply", 4, 60),
    resource_version="17",
)


@pytest.mark.parametrize("record", [EMPTY, FULL, cleaning(FULL, "closed"), freed(FULL, NOW)], ids=lambda r: r.state)
def test_slot_record_comes_back_from_its_lease(record: SlotRecord) -> None:
    assert slot_from_lease(slot_to_lease(record, "state")) == record


def test_lease_says_in_its_own_fields_who_has_it() -> None:
    spec = slot_to_lease(FULL, "state")["spec"]
    assert spec["holderIdentity"] == "ai/issue-7"
    assert spec["leaseTransitions"] == 1
    assert spec["leaseDurationSeconds"] == 24 * 3600
    assert spec["renewTime"] == "2026-05-04T12:30:15.250000Z"


def test_claim_record_comes_back_from_its_lease() -> None:
    record = ClaimRecord(ISSUE, 3, True, 3, "99", "https://x", NOW, resource_version="5", uid="u")
    lease = claim_to_lease(record, "shop", "state")
    assert lease["metadata"]["name"] == claim_name("shop", ISSUE) == "codexctl-shop-ai-claim-issue-7"
    lease["metadata"]["creationTimestamp"] = "2026-05-04T12:30:15Z"
    assert claim_from_lease(lease) == replace(record, created=NOW.replace(microsecond=0))


def test_record_of_a_later_version_is_refused_with_what_to_do() -> None:
    lease = slot_to_lease(FULL, "state")
    body = json.loads(lease["metadata"]["annotations"][RECORD])
    lease["metadata"]["annotations"][RECORD] = json.dumps({**body, "schema": 2})
    with pytest.raises(CodexctlError, match=r"newer version(.|\n)*next: update codexctl-ci"):
        slot_from_lease(lease)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema":1,"state":"odd","namespace":"x"}',
        '{"schema":1}',
        '{"schema":1,"state":"leased","namespace":"x","tree":"x"}',
        '{"schema":1,"state":"leased","namespace":"x","claim":"x"}',
    ],
)
def test_record_that_cannot_be_read_names_its_lease(text: str) -> None:
    lease = slot_to_lease(FULL, "state")
    lease["metadata"]["annotations"][RECORD] = text
    with pytest.raises(UnreadableRecord, match="codexctl-shop-ai-slot-3"):
        slot_from_lease(lease)


def test_epoch_grows_with_every_change_of_hands_and_with_nothing_else() -> None:
    assert FULL.epoch == 1
    assert renewed_by(FULL, holder="100", link="", now=NOW, ttl=DAY).epoch == 1
    away = cleaning(FULL, "closed")
    assert away.epoch == 2
    assert cleaning(away, "again").epoch == 2
    assert freed(away, NOW).epoch == 2
    assert leased_to(freed(away, NOW), ClaimRecord(ISSUE), now=NOW, ttl=DAY).epoch == 3


def test_next_owner_gets_nothing_of_the_former_one() -> None:
    other = leased_to(FULL, ClaimRecord(Claim("ai", "pr", 4), uid="u2"), now=NOW, ttl=DAY)
    assert (other.thread_id, other.agent, other.prepared, other.tree, other.lock) == (
        "",
        None,
        Prepared(),
        SourceTree(),
        None,
    )
    assert (other.issue, other.pr, other.claim_uid, other.namespace_uid) == (0, 4, "u2", "")


def test_renewal_never_makes_an_assignment_shorter() -> None:
    assert renewed_by(FULL, holder="", link="", now=NOW, ttl=timedelta(hours=1)).expires == NOW + DAY


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (Claim("ai", "issue", 7), True),
        (Claim("ai", "pr", 12), True),
        (Claim("ai", "slot", 3), True),
        (Claim("ai", "issue", 12), False),
        (Claim("ai", "pr", 7), False),
        (Claim("ai-repair", "issue", 7), False),
    ],
    ids=str,
)
def test_slot_is_found_by_its_issue_by_a_linked_pull_request_and_by_number(claim: Claim, expected: bool) -> None:
    assert FULL.belongs_to(claim) is expected
    assert not cleaning(FULL, "x").belongs_to(claim)


def test_agent_counts_as_running_until_its_deadline() -> None:
    record = replace(FULL, agent=AgentRun("k", NOW))
    assert record.agent_running(NOW - timedelta(seconds=1))
    assert not record.agent_running(NOW)
    assert record.unpublished
    assert not replace(record, agent=AgentRun("k", NOW, ended=True, published=True)).unpublished


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"issue": 7}, "ai/issue-7"),
        ({"issue": 7, "pr": 12, "slot": 3}, "ai/issue-7"),
        ({"pr": 12}, "ai/pr-12"),
        ({"pr": 12, "branch": "codex/issue-7"}, "ai/issue-7"),
        ({"pr": 12, "branch": "codex/ai-repair-7"}, "ai/pr-12"),
        ({"pr": 12, "branch": "codex/issue-7x"}, "ai/pr-12"),
        ({"pr": 12, "branch": "x/codex/issue-7"}, "ai/pr-12"),
        ({"slot": 3}, "ai/slot-3"),
        ({}, None),
    ],
)
def test_claim_of_a_run(options: dict[str, int | str], expected: str | None) -> None:
    found = claim_for("ai", **options)  # type: ignore[arg-type]
    assert (found.key if found else None) == expected
    assert found is None or parse_key(found.key) == found


def test_only_an_agents_branch_names_an_issue() -> None:
    assert issue_of_branch("codex/ai-repair-9") == ("ai-repair", 9)
    for branch in ("", "main", "codex/issue-", "codex/issue-0", "codex/issue-07", "codex/issue-7\n", "codex/issue-7/x"):
        assert issue_of_branch(branch) is None
