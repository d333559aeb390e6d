"""What the documentation points to is there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from codexctl_ci.cli.table import COMMANDS
from tests.support.pages import PAGES, ROOT, blocks

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    words = (re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in _HEADING.findall(text))
    return {word.strip().replace(" ", "-") for word in words}


def commands_in(page: Path) -> Iterator[list[str]]:
    """Our command lines in a page's shell blocks and in its code words, cut at pipes and comments."""
    shell = blocks(page, "sh", "bash", "shell")
    lines = [line for block in shell for line in block.text.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(codexctl-ci [^`\n]+)`", page.read_text())
    for line in lines:
        words = shlex.split(line, comments=True)
        # Variables may be set before the command.
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        if words[:1] == ["codexctl-ci"]:
            yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), f"{page.relative_to(ROOT)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_are_named_exist_with_their_options(page: Path) -> None:
    known = {command.name: command for command in COMMANDS}
    for words in commands_in(page):
        names = [word for word in words if not word.startswith("-")]
        name = next((" ".join(names[:count]) for count in (2, 1) if " ".join(names[:count]) in known), "")
        general = {"--help", "-h", "--version"}
        if not name:
            group = bool(names) and any(full.startswith(f"{names[0]} ") for full in known)
            assert group or set(words) <= general, words
            continue
        options = known[name].options
        flags = {option.flag for option in options} | {f"-{option.short[1:]}" for option in options if option.short}
        flags |= {f"--no-{option.flag[2:]}" for option in options if option.is_flag} | general
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= flags, f"{page.relative_to(ROOT)}: codexctl-ci {' '.join(words)}: {given - flags}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_targets_of_make_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [block.text for block in blocks(page, "sh")] + re.findall(r"`([^`\n]+)`", page.read_text())
    named = {name for text in code for name in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE)}
    assert named <= targets, page


def test_every_page_is_reached_from_the_readme() -> None:
    readme = {(ROOT / link.partition("#")[0]).resolve() for link in _LINK.findall((ROOT / "README.md").read_text())}
    assert [page.name for page in PAGES if page.parent == ROOT / "docs" and page not in readme] == []


def test_every_input_and_secret_of_the_workflows_is_on_their_page() -> None:
    text = (ROOT / "docs/workflows.md").read_text()
    for file in sorted(ROOT.glob(".github/workflows/ai_*.yml")):
        called = yaml.safe_load(file.read_text())[True]["workflow_call"]
        assert f"`{file.stem}`" in text
        for name in (*called["inputs"], *called["secrets"]):
            assert f"`{name}`" in text, f"{file.name}: {name}"
        default = called["inputs"]["timeout-minutes"]["default"]
        (row,) = [line for line in text.splitlines() if line.startswith("| `timeout-minutes`")]
        assert re.search(rf"\b{default}\b", row), file.name


@pytest.mark.parametrize("example", ["minimal", "project-example", "go-templates"])
def test_readme_of_an_example_names_every_variable_that_it_asks_for(example: str) -> None:
    folder = ROOT / "examples" / example
    text = "".join(file.read_text() for file in folder.rglob("*") if file.suffix in (".yaml", ".j2", ".tpl", ".toml"))
    asked = set(re.findall(r"""envOr\W{1,3}([A-Z_]+)""", text)) - {"GITHUB_SHA"}
    # In a row of a table, and after its first, a name may be told by its end: `_VERSION`.
    told = re.findall(r"[A-Z][A-Z_]+|(?<=`)_[A-Z_]+", (folder / "README.md").read_text())
    assert asked and [name for name in sorted(asked) if not any(name.endswith(word) for word in told)] == []


def test_the_smallest_example_has_ten_lines() -> None:
    lines = (ROOT / "examples/minimal/services.yaml").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) == 10
