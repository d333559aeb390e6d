"""The agent on the runner itself: a folder of its own, another user, Codex's own sandbox, few variables."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.codex.remote import Pace
from codexctl_ci.codex.runner import open_workplace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.ports import AgentRequest
from codexctl_ci.prompts.agent_config import AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.labels import Choice
from tests.support.responses_server import execute, say, serve

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")
NONE = Choice("", "default")


@pytest.fixture
def house() -> Iterator[Path]:
    """A folder that every user can reach, with Codex in it."""
    folder = Path(tempfile.mkdtemp(prefix="agent-", dir="/var/tmp"))
    folder.chmod(0o755)
    shutil.copytree(codex_cli_bin.bundled_package_dir(), folder / "codex", copy_function=_link)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_agent_works_in_its_own_folder_as_somebody_else(house: Path) -> None:
    secret = house / "secret"
    secret.write_text("of the runner")
    secret.chmod(0o600)
    environ = {
        "PATH": f"{house}/codex/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(house),
        "CODEXCTL_GH_PAT": "ghp_runner",
        "ACTIONS_RUNTIME_TOKEN": "runtime",
        "DOCS_KEY": "of-the-docs",
    }
    command = f"id -u > who; env > seen; cat {secret} > stolen; echo new > app.txt; true"
    with serve([[execute(command)], [say("Title: New")]]) as model:
        workplace = open_workplace("shop-ai-3-1", environ, keep=("DOCS_KEY",), base=house / "agents")
        (workplace.work / "app.txt").write_text("old\n")
        (workplace.work / "app.txt").chmod(0o666)
        settings = AgentSettings(
            NONE, NONE, "n", blocks=(ConfigBlock("provider", model.provider_toml()),), in_pod=False
        )
        toml = build_config(settings).toml
        if not _sandbox_works(house, workplace.place.user):
            # Where the kernel forbids sandboxes inside this one, what remains is the user.
            toml = toml.replace('"workspace-write"', '"danger-full-access"')
        runtime = CodexRuntime(workplace.place, str(workplace.work), lambda line: None, Pace(timedelta(seconds=0.05)))
        wanted = AgentRequest("1-1", "work", toml, timedelta(seconds=60), timedelta(seconds=60))
        ending = runtime.run(wanted, lambda thread: None)
    assert ending.conclusion == "ended" and ending.tree_changed, ending
    read = {name: (workplace.work / name).read_text() for name in ("who", "seen", "stolen", "app.txt")}
    assert read["app.txt"] == "new\n"
    assert "ghp_runner" not in read["seen"] and "runtime" not in read["seen"] and "of-the-docs" in read["seen"]
    if os.geteuid() == 0:
        assert read["who"].strip() != "0" and read["stolen"] == ""
    again = open_workplace("shop-ai-3-1", environ, base=house / "agents")
    assert (again.work / "app.txt").read_text() == "new\n"


def _sandbox_works(house: Path, user: tuple[int, int] | None) -> bool:
    words = [f"{house}/codex/bin/codex", "sandbox", "--", "true"]
    if user is not None:
        words = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", *words]
    home = house / "probe"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    done = subprocess.run(words, capture_output=True, env={"PATH": os.environ["PATH"], "HOME": str(home)}, cwd=home)
    return done.returncode == 0
