"""Diffs and results in words."""

from __future__ import annotations

from dataclasses import dataclass

from codexctl_ci.reporting import diff_text
from codexctl_ci.reporting.apply_report import apply_line, apply_markdown, destroy_markdown
from codexctl_ci.stack.objects import Manifest, Ref


@dataclass(frozen=True)
class Difference:
    ref: Ref
    fate: str
    before: Manifest | None = None
    after: Manifest | None = None
    note: str = ""

    @property
    def differs(self) -> bool:
        return self.fate in ("create", "change")


@dataclass(frozen=True)
class Applied:
    ref: Ref
    outcome: str


A, B = Ref("v1", "ConfigMap", "a", "ns"), Ref("v1", "ConfigMap", "b", "ns")
CHANGE = Difference(A, "change", {"kind": "ConfigMap", "data": {"x": "1"}}, {"kind": "ConfigMap", "data": {"x": "2"}})
SAME = Difference(B, "same", {"kind": "ConfigMap"}, {"kind": "ConfigMap"})


def test_only_what_differs_is_shown_with_a_count_at_the_end() -> None:
    text = diff_text.as_text([CHANGE, SAME], colour=False)
    assert "-  x: '1'" in text and "+  x: '2'" in text
    assert "ConfigMap/b" not in text
    assert text.endswith("1 of 2 objects differ: 1 change")
    assert diff_text.as_text([SAME], colour=False) == "no difference in 1 objects"


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[32m+  x: '2'\x1b[0m" in diff_text.as_text([CHANGE], colour=True)
    assert "\x1b" not in diff_text.as_text([CHANGE], colour=False)


def test_programs_get_the_same() -> None:
    data = diff_text.as_data([CHANGE, SAME])
    assert data["changed"] is True
    assert [(row["name"], row["fate"], bool(row["diff"])) for row in data["objects"]] == [
        ("a", "change", True),
        ("b", "same", False),
    ]


def test_fence_of_the_summary_is_longer_than_any_in_the_diff() -> None:
    evil = Difference(A, "create", None, {"kind": "ConfigMap", "data": {"x": "````\n# not a heading"}})
    text = diff_text.as_markdown([evil], "Diff")
    assert text.count("`````") == 2


def test_apply_is_told_in_one_line_and_what_changed_in_rows() -> None:
    applied = [Applied(A, "unchanged"), Applied(B, "created")]
    assert apply_line(applied, [A]) == "2 objects: 1 unchanged, 1 created; 1 pruned"
    text = apply_markdown("Apply", applied, [], ["took .spec.replicas from hpa"])
    assert "| `ConfigMap/b in ns` | created |" in text and "ConfigMap/a" not in text and "hpa" in text
    assert "60 objects" in apply_line([Applied(Ref("v1", "X", str(n)), "created") for n in range(60)], [])
    assert "10 more" in apply_markdown("x", [Applied(Ref("v1", "X", str(n)), "created") for n in range(60)], [], [])
    assert "stays: it holds data" in destroy_markdown("Destroy", [A], [(B, "holds data")])
