"""What builds are made from, read from a project's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.recipes import Recipes
from codexctl_ci.stack.images import BuiltImage

API = BuiltImage(
    "api",
    "r/api",
    "v1",
    "docker/api",
    "api",
    {"NPM_TOKEN": "hunter2", "LEVEL": "7", "BASE": "r/base:1"},
    {"common": "shared", "tools": "docker-image://r/tools:1"},
)
BASES = {"r/base:1": "sha256:" + "a" * 64, "r/tools:1": "sha256:" + "b" * 64}
FILES = {
    "docker/api": "ARG BASE\nFROM $BASE\nCOPY . .\n",
    "api/main.py": "print()",
    "api/notes.md": "",
    "api/.dockerignore": "*.md\n",
    "shared/greeting": "hello",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def recipes(root: Path) -> Recipes:
    return Recipes(root, "linux/amd64", "kaniko", lambda name, value: name.endswith("TOKEN"))


def test_parts_name_all_that_goes_into_the_key_and_tell_no_secret(root: Path) -> None:
    parts = recipes(root).parts(API, BASES)
    assert set(parts) == {
        "platform",
        "builder",
        "argument NPM_TOKEN",
        "argument LEVEL",
        "argument BASE",
        "base r/base:1",
        "base r/tools:1",
        "file api/main.py",
        "file api/.dockerignore",
        "file shared/greeting",
        "file docker/api",
    }
    other = replace(API, build_args={**API.build_args, "NPM_TOKEN": "hunter3"})
    assert recipes(root).parts(other, BASES) == parts
    assert recipes(root).key(other, BASES) != recipes(root).key(API, BASES)


@pytest.mark.parametrize("path", ["docker/api", "api/main.py", "shared/greeting", "api/.dockerignore"])
def test_changed_file_changes_the_key_and_the_part_of_its_name_alone(root: Path, path: str) -> None:
    before, key = recipes(root).parts(API, BASES), recipes(root).key(API, BASES)
    (root / path).write_text(FILES[path] + "\n")
    after = recipes(root).parts(API, BASES)
    assert {name for name, part in after.items() if before[name] != part} == {f"file {path}"}
    assert recipes(root).key(API, BASES) != key


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": ".."}, "outside of the project"),
        ({"context": "nowhere"}, "is no folder"),
        ({"context": "docker/api"}, "is no folder"),
        ({"dockerfile": "../Dockerfile"}, "outside of the project"),
        ({"dockerfile": "api/Dockerfile"}, "its Dockerfile cannot be read"),
        ({"dockerfile": "api"}, "its Dockerfile cannot be read"),
        ({"build_contexts": {"x": "https://example.com/x.git"}}, "is no folder of the project"),
    ],
)
def test_what_cannot_be_built_from_is_named_with_its_image(root: Path, change: dict[str, str], said: str) -> None:
    image = replace(API, **change)  # type: ignore[arg-type]  # one field or another
    with pytest.raises(ConfigError, match=said) as caught:
        recipes(root).key(image, BASES)
    assert "image api" in str(caught.value)


def test_context_that_leaves_the_project_by_a_link_is_refused(root: Path) -> None:
    (root / "away").symlink_to("/etc")
    with pytest.raises(ConfigError, match="outside of the project"):
        recipes(root).key(replace(API, context="away"), BASES)
