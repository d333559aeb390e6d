"""Random histories of the real engine, small; `make soak` runs 5,000 of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.queue import Ask
from tests.support.slot_machine import SlotMachine
from tests.support.slot_world import Api, Cleaner, Run

TestHistories = SlotMachine.TestCase
TestHistories.settings = settings(max_examples=25, stateful_step_count=40, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("seed", range(10))
def test_many_contenders_are_served_in_order_with_four_requests_each(seed: int) -> None:
    contend(seed, count=25, limit=5)


@pytest.mark.parametrize("seed", range(5))
def test_first_come_is_first_served_however_late_news_arrive(seed: int) -> None:
    contend(seed, count=25, limit=5, lag=(1, 3, 10), requests=4.5)


def contend(seed: int, *, count: int, limit: int, lag: tuple[int, ...] = (20, 50, 200), requests: float = 4.0) -> None:
    """``count`` claims for ``limit`` slots, each slot given back after a while; steps in random order."""
    rng = random.Random(seed)
    api = Api()
    runs = [Run(api, Ask(Claim("ai", "issue", n), limit), uid=rng.choice("abcdef")) for n in range(1, count + 1)]
    served: list[Run] = []
    queue = runs[:]
    for _ in range(100_000):
        if not queue:
            break
        api.seconds += rng.choice([0.0, 0.01, 0.3])
        run = rng.choice(queue)
        run.catch_up(rng.choice(lag))
        before = dict(api.slots)
        run.step()
        taken = [number for number, record in api.slots.items() if before.get(number) != record]
        if taken:
            _require_no_earlier_one_left_out(api, queue, api.slots[taken[0]].claim, limit)
        if run.record is not None:
            queue.remove(run)
            served.append(run)
            if len(served) >= limit:
                tear_down(api, served[len(served) - limit])
    assert not queue
    assert sum(run.requests for run in runs) / count <= requests


def _require_no_earlier_one_left_out(api: Api, queue: list[Run], owner: str, limit: int) -> None:
    mine = api.claims[owner].created
    waiting = [api.claims.get(run.ask.claim.key) for run in queue if run.ask.claim.key != owner]
    owners = {record.claim for record in api.slots.values() if not record.free}
    earlier = [
        claim for claim in waiting if claim and mine and claim.created and claim.created < mine
        if claim.claim.key not in owners
    ]  # fmt: skip
    left = limit - sum(not record.free for record in api.slots.values())
    assert len(earlier) <= left, f"{owner} was served before {[claim.claim.key for claim in earlier]}"


def tear_down(api: Api, run: Run) -> None:
    assert run.record is not None
    cleaner = Cleaner(api, api.slots[run.record.slot])
    while cleaner.step():
        pass
