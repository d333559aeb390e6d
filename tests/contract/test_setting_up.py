"""How an action finds a Python on a runner and sets up its own command line there."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codexctl_ci import __version__
from sandbox.state import State

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
VERSION = f"codexctl-ci {__version__}\n"


def start(folder: Path, *programs: Path, **variables: str) -> subprocess.Popen[str]:
    """The action's command on a runner that has a shell, these programs and nothing else on its PATH."""
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    for program in (Path("/bin/sh"), Path(str(shutil.which("dirname"))), *programs):
        if not (path / program.name).exists():
            (path / program.name).symlink_to(program)
    known = {name: value for name, value in os.environ.items() if name.endswith("_FIND_LINKS")}
    environment = known | {"PATH": str(path), "HOME": str(folder), "CODEXCTL_TOOL_CACHE": str(folder / "tools")}
    command = [str(ROOT / "actions" / "codexctl-ci"), "--version"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Not in the checkout: its own virtual environment is none of the runner's.
    return subprocess.Popen(command, cwd=ROOT, env=environment | variables, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def managed_python(folder: Path) -> Path:
    """A folder of Pythons that uv has brought before: this one, under the name that uv gives it."""
    version = ".".join(map(str, sys.version_info[:3]))
    home = folder / "managed" / f"cpython-{version}-linux-{os.uname().machine}-gnu"
    home.mkdir(parents=True)
    for item in Path(sys.base_prefix).iterdir():
        (home / item.name).symlink_to(item)
    return home.parent


def test_runner_without_python_and_uv_is_told_what_to_add(tmp_path: Path) -> None:
    code, out, err = ended(start(tmp_path))
    assert (code, out) == (2, "")
    assert "::error" in err and "No Python 3.11 or newer" in err and "no uv" in err and "actions/setup-python" in err


def test_uv_that_cannot_bring_a_python_is_told_of(tmp_path: Path) -> None:
    code, out, err = ended(start(tmp_path, UV, UV_OFFLINE="1"))
    assert (code, out) == (2, "")
    assert "uv could not bring one" in err and "::error" in err


def test_runner_without_python_uses_the_one_that_uv_has(sandbox: State, tmp_path: Path) -> None:
    managed = str(managed_python(tmp_path))
    code, out, err = ended(start(tmp_path, UV, UV_OFFLINE="1", UV_PYTHON_INSTALL_DIR=managed))
    assert (code, out) == (0, VERSION), err


@pytest.mark.parametrize("programs", [(UV,), ()], ids=["by-uv", "by-pip"])
def test_many_jobs_at_once_set_up_once_and_the_next_costs_no_time(
    sandbox: State, tmp_path: Path, programs: tuple[Path, ...]
) -> None:
    jobs = [start(tmp_path, *programs, CODEXCTL_PYTHON=sys.executable) for _ in range(3)]
    results = [ended(job) for job in jobs]
    assert [(code, out) for code, out, _ in results] == [(0, VERSION)] * 3, results
    assert "".join(err for _, _, err in results).count("setting up in") == 1
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, out, err = ended(start(tmp_path, *programs, CODEXCTL_PYTHON=sys.executable))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (code, out, err) == (0, VERSION, "")
    # Five seconds of a person's time are the promise; on a busy machine only the processor's can be measured.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
