"""What an image was made from, as a label, and what has changed since."""

from __future__ import annotations

import pytest

from codexctl_ci.stack.made_of import changes, pack, summary

PARTS = {"base r/a:1": "aa", "argument X": "1", "file src/a.py": "1", "file src/b.py": "2", "file Dockerfile": "3"}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, []),
        ({"file src/a.py": "9"}, ["src/a.py changed"]),
        ({"base r/a:1": "bb"}, ["base r/a:1 moved from aa to bb"]),
        ({"argument X": "2"}, ["argument X changed"]),
        ({"argument Y": "2", "file new": "1"}, ["argument Y is new", "new is new"]),
        ({"file src/b.py": None, "argument X": None}, ["argument X is gone", "src/b.py is gone"]),
    ],
)
def test_label_says_what_changed_arguments_and_bases_first(now: dict[str, str | None], said: list[str]) -> None:
    after = {name: value for name, value in {**PARTS, **now}.items() if value is not None}
    assert changes(pack(PARTS), after) == said


def test_of_very_many_files_their_folder_is_named_and_the_label_stays_small() -> None:
    parts = {f"file services/s{n % 7}/deep/down/below/file{n}": f"{n * 7919:08x}" for n in range(20_000)}
    label = pack({**parts, "argument X": "1"})
    assert len(label) <= 12_000 and "=" not in label
    assert changes(label, {**parts, "argument X": "1"}) == []
    parts["file services/s3/deep/down/below/file10"] = "other"
    assert changes(label, {**parts, "argument X": "2"}) == [
        "argument X changed",
        "services/s3/deep/down/below/ changed",
    ]


@pytest.mark.parametrize("label", ["", "x", "AAAA", "%", "é", pack(PARTS)[:-9], pack(PARTS).swapcase()])
def test_label_that_cannot_be_read_says_nothing(label: str) -> None:
    assert changes(label, PARTS) == []


def test_names_that_are_no_text_survive() -> None:
    parts = {"file caf\udce9": "1"}
    assert changes(pack(parts), parts) == []


def test_summary_is_short() -> None:
    assert summary(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more" and summary(["a"]) == "a"
