"""What it means that an object holds what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.stack.objects import carries


@pytest.mark.parametrize(
    ("found", "sent", "strictly", "but_for_blanks"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True, True),
        ({"a": 1}, {"a": 2}, False, False),
        ({"a": 1}, {"a": 1, "b": 0}, False, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, True, True),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True, True),
        ({"a": [1]}, {"a": [1, 2]}, False, False),
        ({"a": [2, 1]}, {"a": [1, 2]}, False, False),
        ({}, {"a": None}, True, True),
        ({"a": 1}, {"a": None}, False, False),
        ({}, {"b": [], "c": {}, "d": ""}, False, True),
        ({"x": [{}]}, {"x": [{"d": ""}]}, False, True),
        ({"d": "other"}, {"d": ""}, False, False),
        ({"d": [1]}, {"d": []}, False, False),
        ("a", {"a": 1}, False, False),
    ],
)
def test_object_carries_what_was_sent_though_the_server_added_to_it(
    found: Any, sent: Any, strictly: bool, but_for_blanks: bool
) -> None:
    assert carries(found, sent) is strictly
    assert carries(found, sent, blank_may_lack=True) is but_for_blanks
