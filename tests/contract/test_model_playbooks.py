"""The built-in playbooks on the example project: the real Codex, a live API, the project's own tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.model.__main__ import REGISTRY
from sandbox.model.playbooks import load
from sandbox.model.server import ModelServer

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")
EXAMPLE = Path(__file__).parents[2] / "examples" / "project-example"
CONFIG = """
model_provider = "sandbox"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.sandbox]
name = "sandbox"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "MODEL_KEY"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "pantry"
    shutil.copytree(EXAMPLE, folder)
    return folder


@pytest.fixture
def live(project: Path) -> Iterator[str]:
    """The API as it was deployed: a copy that the agent doesn't edit."""
    deployed = project.parent / "deployed"
    shutil.copytree(project, deployed)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "pantry.server"], cwd=deployed, env={"PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                break
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture
def codex(project: Path, live: str) -> Iterator[list[str]]:
    """Codex's home with a model behind it; returns the arguments of `env` that a run needs."""
    server = ModelServer("127.0.0.1", 0, ["sk-test"], load(REGISTRY)).run_in_thread()
    home = Path(tempfile.mkdtemp(prefix="codex-home-", dir="/var/tmp"))
    (home / "config.toml").write_text(CONFIG.format(url=server.url))
    yield [f"CODEX_HOME={home}", f"HOME={home}", "MODEL_KEY=sk-test", f"PANTRY_API={live}"]
    server.shutdown()
    server.server_close()
    shutil.rmtree(home)


def run(project: Path, environment: list[str], prompt: str) -> str:
    done = subprocess.run(
        [str(codex_cli_bin.bundled_codex_path()), "exec", "--skip-git-repo-check", "-"],
        input=prompt,
        cwd=project,
        env={"PATH": os.environ["PATH"], **dict(item.split("=", 1) for item in environment)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_issue_and_then_its_review_change_the_project(project: Path, codex: list[str]) -> None:
    issue = "Add a summary\n\n`GET /api/summary` should say how many kinds of items there are, and the total."
    said = run(project, codex, issue)
    assert "tests pass, one of them new" in said
    assert '"/api/summary"' in (project / "pantry" / "api.py").read_text()
    said = run(project, codex, f"{issue}\n\nReview of pantry/api.py: Call the field `pieces` instead of `total`.")
    assert "The field is called `pieces` now" in said
    assert '"total"' not in (project / "pantry" / "api.py").read_text()
    tests = subprocess.run([sys.executable, "-m", "unittest"], cwd=project, capture_output=True, check=False)
    assert tests.returncode == 0
