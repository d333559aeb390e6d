"""What a machine that can't carry a sandbox is told. The obstacles are made, the messages are real."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.bootstrap.preflight import ensure_machine, find_obstacles
from sandbox.bootstrap.progress import Progress, SetupError


@pytest.fixture(autouse=True)
def cache_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    (obstacle,) = find_obstacles()

    assert "this is darwin" in obstacle


def test_everything_missing_is_in_one_message_with_what_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(SetupError) as caught:
        ensure_machine(Progress())

    message = str(caught.value)
    assert caught.value.code == 2
    assert "run the same command with sudo" in message
    assert "apt-get, which is not here" in message
    assert "make test-unit" in message


def test_too_little_room_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    usage = shutil.disk_usage("/")._replace(free=1_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert any("1 GB free" in obstacle and "XDG_CACHE_HOME" in obstacle for obstacle in find_obstacles())


def test_an_old_python_is_refused_before_anything_else(tmp_path: Path) -> None:
    old = tmp_path / "python-of-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    tree = Path(__file__).resolve().parents[3]

    refused = subprocess.run(
        ["make", "--no-print-directory", f"PYTHON={old}", "test-unit"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 2
    assert "is not Python 3.11 or newer" in refused.stderr
