"""The engine of slots over 5,000 random histories, and 50 contenders for 10 slots with 200 seeds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.support.slot_machine import SlotMachine
from tests.unit.slots.test_histories import contend

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

TestHistories = SlotMachine.TestCase
TestHistories.settings = settings(
    max_examples=5000, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", range(200))
def test_fifty_contenders_for_ten_slots_in_the_model(seed: int) -> None:
    contend(seed, count=50, limit=10)
