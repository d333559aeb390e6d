"""Every threat in docs/security.md names the tests that stand against it, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.support.pages import ROOT

_PAGE = (ROOT / "docs" / "security.md").read_text()
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _threats() -> list[str]:
    section = re.search(r"^## Threats.*?(?=^## )", _PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    return [line for line in section[0].splitlines() if line.startswith("| ")][1:]


@cache
def _tests_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_threat_has_a_test() -> None:
    rows = _threats()
    assert len(rows) > 20
    assert [row for row in rows if not _TEST.search(row)] == []


def test_every_test_that_is_named_exists() -> None:
    named = _TEST.findall(_PAGE)
    assert len(named) == _PAGE.count("`tests/")
    assert [f"{file}::{name}" for file, name in named if name not in _tests_of(file)] == []
