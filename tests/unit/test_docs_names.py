"""Files, variables, options and keys that the pages name are there, spelled so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from codexctl_ci.cli.table import COMMANDS, variable_names
from codexctl_ci.stack.keys_page import Place, places
from codexctl_ci.stack.schema import BUILT_IN_HOOKS, StackSpec
from tests.support.pages import PAGES, ROOT

FLAGS = {option.flag for command in COMMANDS for option in command.options}
FLAGS |= {f"--no-{flag[2:]}" for flag in FLAGS} | {"--help", "--version"}
# Where a path may begin: at the page, at the root, in the package as the map of the house has it, in the example.
STARTS = (
    ROOT,
    *(ROOT / folder for folder in ("codexctl_ci", "codexctl_ci/cli", "sandbox", "examples/project-example")),
)
# Written by a person or a run, not part of the repository.
THEIRS = {"build/bench.json", "tests/bench/bench_NAME.py", "prompts/agent.md.j2"}
# A host of the sandbox.
HOSTS = {"registry.sandbox"}
ROWS = {
    f"{place.path}.{name}".lstrip(".").replace("[]", ""): row
    for place in places(Place("", StackSpec))
    for name, row in place.section.keys().items()
}
KEYS = frozenset(ROWS)
MAPS = frozenset(path for path, row in ROWS.items() if "texts" in get_args(row.annotation))
SECTIONS = "|".join(StackSpec.keys())

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def words(page: Path, pattern: str) -> set[str]:
    """What fits the pattern among the page's words of code."""
    return {
        found for code in re.findall(r"`([^`\n]+)`", page.read_text("utf-8")) for found in re.findall(pattern, code)
    }


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    paths = words(page, r"^[\w.-]+(?:/[\w.-]+)+\.(?:py|ya?ml|md|toml|json|txt|j2)$") - THEIRS
    assert [
        path for path in sorted(paths) if not any((start / path).exists() for start in (page.parent, *STARTS))
    ] == []


@each_page
def test_variables_that_are_named_mean_something(page: Path) -> None:
    assert words(page, r"^CODEXCTL_[A-Z_]+$") - variable_names() == set()


@each_page
def test_options_that_are_named_exist(page: Path) -> None:
    assert words(page, r"^(--[a-z][a-z-]+)") - FLAGS == set()


@each_page
def test_keys_of_services_yaml_that_are_named_exist(page: Path) -> None:
    named = words(page, rf"^(?:{SECTIONS})(?:\.[A-Za-z<>-]+)+$") - {*BUILT_IN_HOOKS, *HOSTS}
    assert [path for path in sorted(named) if not path.endswith(".yaml") and not is_key(path)] == []


def is_key(path: str) -> bool:
    """Whether a dotted path leads from the top of services.yaml to a key, or to a name in a map of texts."""
    path = re.sub(r"<\w+>", "<name>", path)
    return path in KEYS or path.rpartition(".")[0] in MAPS or (path.endswith(".<name>") and path[:-7] in KEYS)


@pytest.mark.parametrize(
    ("path", "known"),
    [("codex.timeouts.exec", True), ("codex.timeout", False), ("baseDomain.ai", True), ("codex.model.x", False)],
)
def test_a_key_is_told_from_none(path: str, known: bool) -> None:
    assert is_key(path) == known
