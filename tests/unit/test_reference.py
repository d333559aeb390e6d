"""Pages and actions that are made from tables."""

from __future__ import annotations

import ast
from pathlib import Path

from codexctl_ci import errors
from codexctl_ci.cli.actions import ACTIONS, OUTPUTS
from codexctl_ci.cli.reference import files
from codexctl_ci.cli.reference_pages import outcomes_markdown

ROOT = Path(__file__).parents[2]


def test_what_is_derived_from_the_tables_is_fresh() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in files(ROOT).items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_output_that_a_command_sets_is_described_and_comes_out_of_an_action() -> None:
    written = {
        keyword.arg
        for path in (ROOT / "codexctl_ci/cli").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "output"
        for keyword in call.keywords
    }
    assert written == set(OUTPUTS) == {name for action in ACTIONS for name in action.all_outputs}


def test_every_error_has_its_exit_code_and_conclusion_on_the_page() -> None:
    page = outcomes_markdown()
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CodexctlError)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        assert f"| {kind.exit_code} | `{kind.conclusion}` |" in page, kind
