"""How YAML is read: the core schema of YAML 1.2, as Go's yaml.v3 has it, with places."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.yaml_nodes import Builder, Place, compose_all


def read(text: str, **how: bool) -> tuple[Any, Builder]:
    builder = Builder("f.yaml", **how)
    (node,) = compose_all(text, "f.yaml")
    return builder.build(node), builder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("Yes", "Yes"),
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("2026-01-02", "2026-01-02"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0o17", 15),
        ("0x1F", 31),
        ("0644", 420),
        ("08", 8),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.10", 1.1),
        (".inf", float("inf")),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("=", "="),
        (".", "."),
        ("+", "+"),
    ],
)
def test_scalars_are_read_by_the_core_schema(text: str, value: object) -> None:
    data, _ = read(f"- {text}\n" if text != "-" else "-\n")
    assert data == [value]
    assert type(data[0]) is type(value)


@pytest.mark.parametrize("text", ["1.10", "012", "yes", "true", "1e3", "0x1F", "2026-01-02"])
def test_as_text_keeps_the_source(text: str) -> None:
    assert read(f"a: {text}", as_text=True)[0] == {"a": text}


def test_a_key_that_stands_twice_is_a_fault_with_both_places() -> None:
    _, builder = read("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\n", keep_places=True)
    assert [str(finding) for finding in builder.findings] == [
        "f.yaml:5:3: key 'x' stands twice in one mapping, first in line 3"
    ]


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nboth: {<<: [*base, *more], a: 9}\nagain: *base\n"
    data, builder = read(text, keep_places=True)
    assert data["both"] == {"a": 9, "b": 2, "c": 4}
    assert data["again"] == {"a": 1, "b": 2}
    assert builder.findings == []


def test_every_key_and_item_has_its_place() -> None:
    _, builder = read("a:\n  - x\n  - b: 1\n", keep_places=True)
    assert builder.places == {
        ("a",): Place(1, 1),
        ("a", 0): Place(2, 5),
        ("a", 1): Place(3, 5),
        ("a", 1, "b"): Place(3, 5),
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1,\n", "f.yaml:2:1"),
        ("a: 1\n\tb: 2\n", "f.yaml:2:1"),
        ("a: *x\n", "f.yaml:1:4"),
        ("a: 'x\n", "f.yaml:2:1"),
    ],
)
def test_what_is_no_yaml_says_where(text: str, place: str) -> None:
    with pytest.raises(InvalidStack) as caught:
        read(text)
    assert str(caught.value).startswith(f"{place}: not valid YAML: ")


def test_aliases_without_end_are_refused() -> None:
    with pytest.raises(InvalidStack, match="refers to itself"):
        read("a: &x\n  b: *x\n")


def test_aliases_that_grow_without_bounds_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InvalidStack, match="too large"):
        read("\n".join(lines))


def test_empty_documents_are_left_out() -> None:
    assert [node.tag for node in compose_all("---\n---\n# nothing\n---\na: 1\n", "f.yaml")] == ["tag:yaml.org,2002:map"]
