"""Who gets which slot, as tables of records and what follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import UnreadableRecord
from codexctl_ci.slots.queue import (
    SETTLING,
    Aim,
    Ask,
    Found,
    Join,
    Leave,
    Take,
    View,
    Wait,
    assignments,
    next_action,
    waiting,
)
from codexctl_ci.slots.records import ClaimRecord, SlotRecord, SlotState, UnreadableSlot, cleaning, freed, leased_to

T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATER = T0 + timedelta(minutes=5)


def claim(number: int) -> Claim:
    return Claim("ai", "issue", number)


def waits(number: int, at: int = 0, **more: object) -> ClaimRecord:
    record = ClaimRecord(claim(number), created=T0 + at * SECOND, uid=f"u{number:03}", resource_version="1")
    return replace(record, **more)  # type: ignore[arg-type]


def held(slot: int, number: int) -> SlotRecord:
    empty = SlotRecord("shop", "ai", slot, f"shop-dev-{slot}", resource_version="1")
    return leased_to(empty, waits(number), now=T0, ttl=timedelta(hours=24))


def free(slot: int, at: int = 0) -> SlotRecord:
    record = freed(cleaning(held(slot, 900 + slot), "x"), T0 + at * SECOND)
    return replace(record, resource_version=str(100 + at))


def view(slots: list[SlotRecord] = [], claims: list[ClaimRecord] = [], taken: set[int] = set()) -> View:  # noqa: B006
    return View({record.slot: record for record in slots}, {record.claim.key: record for record in claims}, taken)


def test_claim_that_has_a_slot_finds_it() -> None:
    mine = held(2, 7)
    assert next_action(view([held(1, 5), mine], [waits(7)]), Ask(claim(7), 2), LATER) == Found(mine)


def test_slot_that_cannot_be_read_is_nobodys_and_keeps_only_those_it_may_belong_to() -> None:
    broken = UnreadableSlot("ai", 1, claim(5).key, UnreadableRecord("the slot record cannot be read"))
    seen = replace(view([held(2, 6)], [waits(5), waits(6)]), unreadable={1: broken})
    assert waiting(seen) == []
    assert next_action(seen, Ask(claim(6), 3), LATER) == Found(held(2, 6))
    assert next_action(seen, Ask(claim(7), 3), LATER) == Join(3)
    assert next_action(seen, Ask(claim(7)), LATER) == Join(3)
    assert next_action(seen, Ask(claim(7), 2), LATER) == Join(0)
    for other in (claim(5), Claim("ai", "slot", 1), Claim("ai", "pr", 12)):
        with pytest.raises(UnreadableRecord):
            next_action(seen, Ask(other, 3), LATER)


def test_first_claim_joins_with_the_slot_it_would_get() -> None:
    assert next_action(view(), Ask(claim(7), 2), LATER) == Join(1)
    assert next_action(view([held(1, 5)]), Ask(claim(7), 2), LATER) == Join(2)
    assert next_action(view([held(1, 5)], [waits(6)]), Ask(claim(7), 2), LATER) == Join(0)
    assert next_action(view([held(1, 5), held(2, 6)]), Ask(claim(7), 2), LATER) == Join(0)


def test_right_guess_is_taken_without_another_write() -> None:
    mine = waits(7, target=1)
    assert next_action(view([], [mine]), Ask(claim(7), 2), T0) == Take(mine, 1, None)
    slot = free(1)
    assert next_action(view([slot], [mine]), Ask(claim(7), 2), T0) == Take(mine, 1, slot)


def test_wrong_guess_is_written_anew_before_the_slot_is_taken() -> None:
    mine = waits(7, at=1, target=1)
    assert next_action(view([held(1, 5)], [mine]), Ask(claim(7), 2), LATER) == Aim(mine, 2)


def test_claims_of_one_second_wait_until_their_order_is_settled() -> None:
    mine, other = waits(7), waits(8)
    found = next_action(view([], [mine, other]), Ask(claim(7), 2), T0)
    assert found == Wait(ahead=0, until=T0 + SETTLING)
    assert next_action(view([], [mine, other]), Ask(claim(7), 2), T0 + SETTLING) == Aim(mine, 1)


def test_right_guess_of_a_claim_of_the_same_second_is_left_to_it() -> None:
    mine, quick = waits(7), waits(8, target=1)
    assert next_action(view([], [mine, quick]), Ask(claim(7), 2), T0 + SETTLING) == Aim(mine, 2)
    assert next_action(view([], [mine, quick]), Ask(claim(8), 2), T0) == Take(quick, 1, None)


def test_guess_never_leaves_an_earlier_claim_without() -> None:
    early, guesser = waits(7), waits(8, at=5, target=1)
    slots = [free(1), held(2, 6)]
    assert next_action(view(slots, [early, guesser]), Ask(claim(7), 2), LATER) == Aim(early, 1)
    assert isinstance(next_action(view(slots, [early, guesser]), Ask(claim(8), 2), LATER), Wait)


def test_of_two_equal_guesses_the_first_written_counts() -> None:
    second = waits(7, target=1, resource_version="9")
    first = waits(8, target=1, resource_version="8")
    assert next_action(view([], [first, second]), Ask(claim(8), 2), T0) == Take(first, 1, None)
    assert next_action(view([], [first, second]), Ask(claim(7), 2), LATER) == Aim(second, 2)


def test_a_claim_alone_in_its_second_need_not_wait() -> None:
    mine = waits(7, at=1)
    assert next_action(view([], [mine, waits(8)]), Ask(claim(7), 2), T0) == Aim(mine, 2)


def test_the_ith_claim_gets_the_ith_slot_that_became_free() -> None:
    slots = [held(1, 90), free(2, at=30), free(3, at=10), free(4, at=20)]
    queue = [waits(number, at=number) for number in (11, 12, 13, 14)]
    places = assignments(view(slots, queue), 4, waiting(view(slots, queue)))
    assert places == {"ai/issue-11": 3, "ai/issue-12": 4, "ai/issue-13": 2}


def test_order_is_by_creation_and_then_by_uid() -> None:
    late, tied_b, tied_a = waits(1, at=9), waits(3, at=1), waits(2, at=1)
    assert [x.claim.number for x in waiting(view([], [late, tied_b, tied_a]))] == [2, 3, 1]


def test_slot_that_somebody_goes_for_is_not_given_to_another() -> None:
    going = waits(8, at=5, target=1, firm=True)
    mine = waits(7)
    places = assignments(view([], [mine, going]), 2, [mine, going])
    assert places == {"ai/issue-8": 1, "ai/issue-7": 2}


def test_explicit_slot_never_falls_through_to_another() -> None:
    mine = waits(7, wanted=1)
    assert isinstance(next_action(view([held(1, 5)], [mine]), Ask(claim(7), 9, 1), LATER), Wait)
    assert next_action(view([held(1, 5)]), Ask(claim(7), 9, 1), LATER) == Join(0)


def test_claim_for_one_slot_only_does_not_hold_up_those_behind() -> None:
    picky, mine = waits(6, wanted=1), waits(7, at=1)
    assert next_action(view([held(1, 5)], [picky, mine]), Ask(claim(7), 2), LATER) == Aim(mine, 2)


def test_dead_waiter_holds_up_nobody_once_it_is_stale() -> None:
    dead, mine = waits(6, target=2, firm=True), waits(7, at=1)
    slots = [held(1, 5), free(2)]
    assert isinstance(next_action(view(slots, [dead, mine]), Ask(claim(7), 2), LATER), Wait)
    assert next_action(view(slots, [dead, mine]), Ask(claim(7), 2), LATER, {dead.claim.key}) == Aim(mine, 2)


def test_dirty_and_cleaning_slots_are_given_to_nobody() -> None:
    slots = [cleaning(held(1, 5), "x"), replace(held(2, 6), state=SlotState.DIRTY)]
    assert isinstance(next_action(view(slots, [waits(7)]), Ask(claim(7), 2), LATER), Wait)


def test_claim_of_a_slot_under_cleaning_joins_anew() -> None:
    mine = waits(7)
    assert next_action(view([cleaning(held(1, 7), "x")], [mine]), Ask(claim(7), 2), LATER) == Leave(mine)
    assert next_action(view([cleaning(held(1, 7), "x")]), Ask(claim(7), 2), LATER) == Join(2)


def test_claim_left_by_a_slot_under_cleaning_is_not_in_the_queue() -> None:
    slots = [cleaning(held(1, 5), "x"), free(2)]
    mine = waits(7, at=1)
    assert next_action(view(slots, [waits(5), mine]), Ask(claim(7), 2), LATER) == Aim(mine, 2)


def test_without_a_limit_there_is_always_a_slot() -> None:
    slots = [held(1, 5), held(2, 6)]
    assert next_action(view(slots), Ask(claim(7), 0), LATER) == Join(3)
    assert next_action(view(slots), Ask(claim(7), 0, 9), LATER) == Join(9)


def test_slots_held_outside_of_our_records_are_not_given_away() -> None:
    assert next_action(view(taken={1, 2}), Ask(claim(7), 3), LATER) == Join(3)
    assert next_action(view(taken={1, 2}), Ask(claim(7), 0), LATER) == Join(3)


def test_claim_whose_limit_became_smaller_aims_anew() -> None:
    mine = waits(7, target=5, firm=True)
    assert next_action(view([free(1)], [mine]), Ask(claim(7), 2), LATER) == Aim(mine, 1)
