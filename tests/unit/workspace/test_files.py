"""Only what lies in the project's folder is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.workspace.files import ProjectFolder


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    root = tmp_path / "project"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "one.yaml").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    (root / "a" / "b" / "two.yaml").write_text("2")
    (root / "latin").write_bytes(b"\xe9")
    (tmp_path / "secret.yaml").write_text("secret")
    (root / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (root / "outside").symlink_to(tmp_path)
    (root / "in.yaml").symlink_to(root / "a" / "one.yaml")
    return ProjectFolder(root)


def test_text_is_read_without_mark_and_carriage_returns(folder: ProjectFolder) -> None:
    assert folder.read("a/one.yaml") == "one\ntwo\n"
    assert folder.read("./a/../a/one.yaml") == "one\ntwo\n"


def test_a_symlink_inside_is_followed(folder: ProjectFolder) -> None:
    assert folder.read("in.yaml").startswith("one")


@pytest.mark.parametrize(
    "path", ["../secret.yaml", "out.yaml", "outside/secret.yaml", "a/../../secret.yaml", "/etc/passwd"]
)
@pytest.mark.parametrize("how", [ProjectFolder.read, ProjectFolder.exists])
def test_nothing_outside_is_read_nor_asked_for(
    folder: ProjectFolder, path: str, how: Callable[[ProjectFolder, str], object]
) -> None:
    with pytest.raises(ConfigError, match="leads out of the project's folder") as caught:
        how(folder, path)
    assert str(caught.value).startswith(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone", "no such file"),
        ("a", "is a folder"),
        ("latin", "is not UTF-8"),
        ("", "is not a path"),
        ("x\0y", "is not a path"),
    ],
)
def test_what_cannot_be_read_says_why(folder: ProjectFolder, path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        folder.read(path)


def test_globs_are_sorted_and_stay_inside(folder: ProjectFolder) -> None:
    assert folder.glob("a/**/*.yaml") == ["a/b/two.yaml", "a/one.yaml"]
    assert folder.glob("*.none") == []
    for pattern in ("../*", "/etc/*", "a/../../*"):
        with pytest.raises(ConfigError, match="leads out"):
            folder.glob(pattern)
    with pytest.raises(ConfigError, match="leads out"):
        folder.glob("out*.yaml")
