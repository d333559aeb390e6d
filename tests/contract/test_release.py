"""What a release publishes: the same bytes wherever and whenever it is built, and all that a user's machine needs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from codexctl_ci import __version__
from sandbox.state import State

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
WHEN = "1700000000"
WHEEL, SDIST = f"codexctl_ci-{__version__}-py3-none-any.whl", f"codexctl_ci-{__version__}.tar.gz"


def export(folder: Path) -> Path:
    """The files under version control, as they stand."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def build(tree: Path, out: Path, *, mask: int = 0o022) -> dict[str, str]:
    """Name to digest of what the build backend makes of ``tree``."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    environ = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": WHEN}
    done = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False, umask=mask)
    assert done.returncode == 0, done.stderr
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def built(folder: Path) -> dict[str, str]:
    return build(export(folder / "tree"), folder / "dist")


def test_two_builds_are_the_same_to_the_byte(folder: Path, built: dict[str, str]) -> None:
    assert set(built) == {WHEEL, SDIST}
    other = export(folder / "elsewhere" / "tree")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    # What a build leaves behind is no part of the next one.
    (other / "dist").mkdir()
    (other / "dist" / "old.whl").touch()
    assert build(other, folder / "again", mask=0o077) == built


def test_wheel_of_the_sdist_is_the_wheel(folder: Path, built: dict[str, str]) -> None:
    with tarfile.open(folder / "dist" / SDIST) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    again = build(folder / "unpacked" / SDIST.removesuffix(".tar.gz"), folder / "from-sdist")
    assert again[WHEEL] == built[WHEEL]


def test_metadata_says_what_the_project_says(folder: Path, built: dict[str, str]) -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = whole["project"]
    # Releases are built with what these tests build with.
    locked = (ROOT / "requirements/dev.txt").read_text()
    assert all(f"\n{backend} \\\n" in locked for backend in whole["build-system"]["requires"])
    with zipfile.ZipFile(folder / "dist" / WHEEL) as wheel:
        names = wheel.namelist()
        found = message_from_bytes(wheel.read(f"codexctl_ci-{__version__}.dist-info/METADATA"))
    assert "version" in project["dynamic"] and found["Version"] == __version__
    assert sorted(found.get_all("Requires-Dist") or ()) == sorted(normal(row) for row in project["dependencies"])
    assert {name.partition("/")[0] for name in names} == {"codexctl_ci", f"codexctl_ci-{__version__}.dist-info"}


def normal(requirement: str) -> str:
    """A requirement as metadata spell it: versions in order."""
    name = requirement.partition(">")[0].partition("<")[0].lower()
    return name + ",".join(sorted(requirement[len(name) :].split(","), key=lambda part: part[0] != "<"))


def test_wheel_works_in_an_empty_environment(sandbox: State, folder: Path, built: dict[str, str]) -> None:
    # The sandbox's machine knows no package index, but a folder with what is locked for the product.
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def run(*command: object, where: Path = folder) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=where, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(UV, "venv", "-q", "--python", sys.executable, "empty")
    assert run(UV, "pip", "list", "--python", "empty/bin/python") == ""
    run(UV, "pip", "install", "-q", "--python", "empty/bin/python", folder / "dist" / WHEEL)
    program = folder / "empty/bin/codexctl-ci"
    assert run(program, "--version") == f"codexctl-ci {__version__}\n"
    # Templates, schema and scripts are files of the package too.
    assert "kind: Deployment" in run(program, "render", "--env", "ai", "--slot", "1", where=ROOT / "examples/minimal")
    assert '"$schema"' in run(program, "schema")
