"""Files and machines that are not as they should be: a message and an exit code, never a bug report or a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codexctl_ci.cli.main import BUG, USAGE

ONE = "project: shop\nmanifests: []\n"


def call(folder: Path, *words: str, **streams: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "codexctl_ci", *words]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path.cwd())}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(argv, cwd=folder, env=environ, text=True, check=False, timeout=60, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project: shop\n---\nservices: []\n", "services.yaml:3:1: a second document begins here"),
        ("project: " + "[" * 40_000, "nested too deeply"),
    ],
    ids=["two documents", "brackets"],
)
def test_file_that_is_no_stack(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "services.yaml").write_text(text)
    done = call(tmp_path, "render")
    assert done.returncode == USAGE and said in done.stderr, done


def test_symlink_to_itself_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").symlink_to("services.yaml")
    done = call(tmp_path, "render")
    assert done.returncode == USAGE and "symlink that leads back" in done.stderr, done
    (tmp_path / "services.yaml").unlink()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "services.yaml").write_text(
        "project: shop\ninfrastructure: [{name: a, manifests: [{path: pipe.yaml}]}]\n"
    )
    done = call(tmp_path, "render")
    assert done.returncode == USAGE and "pipe.yaml" in done.stderr, done


@pytest.mark.parametrize(
    "words",
    [("--namespace", "UPPER"), ("-n", "../../x"), ("-n", "a/b"), ("-n", "\udcfc"), ("--wait-timeout", "9" * 12 + "h")],
)
def test_values_that_mean_nothing_are_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    (tmp_path / "services.yaml").write_text(ONE)
    done = call(tmp_path, "apply", *words)
    assert done.returncode == USAGE and words[0] in done.stderr.replace("--namespace", "-n --namespace"), done


def test_full_disk_under_the_output_is_said(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("project: shop\nservices: [{name: web}]\n")
    with Path("/dev/full").open("w") as full:
        done = call(tmp_path, "schema", stdout=full.fileno())
    assert done.returncode not in (0, BUG) and "No space left on device" in done.stderr, done
    assert "Traceback" not in done.stderr


def test_debug_is_heard_however_it_is_written(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "codexctl_ci", "render"]
    for word in ("True", "TRUE", "1"):
        environ = {"PATH": os.environ["PATH"], "CODEXCTL_DEBUG": word, "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == USAGE and "Traceback" in done.stderr
