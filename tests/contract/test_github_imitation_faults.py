"""Faults on demand, as clients meet them."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from sandbox.github.client import Refused
from tests.support.github_imitation import Shop


@pytest.mark.parametrize("status", [403, 429])
def test_limits_carry_the_headers_that_clients_wait_by(shop: Shop, status: int) -> None:
    url = f"{shop.github.url}/api/v3/user"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {shop.owner.token}"})
    shop.github.fault("secondary_limit", path="/api/v3/user", seconds=7, status=status)
    shop.github.fault("primary_limit", path="/api/v3/user", seconds=7)
    with pytest.raises(urllib.error.HTTPError) as secondary:
        urllib.request.urlopen(request)
    assert (secondary.value.code, secondary.value.headers["Retry-After"]) == (status, "7")
    with pytest.raises(urllib.error.HTTPError) as primary:
        urllib.request.urlopen(request)
    assert (primary.value.code, primary.value.headers["X-RateLimit-Remaining"]) == (403, "0")
    with urllib.request.urlopen(request) as answer:
        assert int(answer.headers["X-RateLimit-Remaining"]) > 0


def test_a_fault_acts_on_the_requests_it_names_and_then_is_gone(shop: Shop) -> None:
    shop.github.fault("status", status=502, method="GET", path=".*/comments", after=1, times=1)
    number = shop.owner.issue(shop.name, "Greet")
    assert shop.owner.comments(shop.name, number) == []
    with pytest.raises(Refused) as caught:
        shop.owner.comments(shop.name, number)
    assert caught.value.status == 502
    assert shop.owner.comments(shop.name, number) == []


@pytest.mark.parametrize(("kind", "written"), [("reset", 0), ("lost", 1)])
def test_a_broken_connection_may_or_may_not_have_done_the_work(shop: Shop, kind: str, written: int) -> None:
    number = shop.owner.issue(shop.name, "Greet")
    shop.github.fault(kind, method="POST", path=".*/comments")
    with pytest.raises(OSError):
        shop.owner.comment(shop.name, number, "x")
    assert len(shop.owner.comments(shop.name, number)) == written
