"""The real Codex binary in a folder of the test's own, run by us."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.codex.remote import Pace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.ports import AgentEnding, AgentRequest
from tests.support.codex_config import config_for
from tests.support.responses_server import Model
from tests.support.signals import heed_interrupts

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def work() -> Iterator[Path]:
    # Codex wants no home below /tmp.
    base = REPOSITORY / "build"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="codex-run-", dir=base))
    (folder / "work").mkdir()
    yield folder / "work"
    shutil.rmtree(folder, ignore_errors=True)


def environment(work: Path) -> dict[str, str]:
    binary = codex_cli_bin.bundled_codex_path().parent
    path = f"{binary}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(work.parent), "GITHUB_TOKEN": "ghs_not_for_the_agent", "PLAIN": "kept"}


def request(model: Model, key: str = "run-1", **more: object) -> AgentRequest:
    values: dict[str, object] = {
        "key": key,
        "prompt": "do the work",
        "config_toml": config_for(model),
        "total_timeout": timedelta(seconds=60),
        "idle_timeout": timedelta(seconds=30),
    } | more
    return AgentRequest(**values)  # type: ignore[arg-type]


class Run:
    """Starts agents in one place and keeps what they said."""

    def __init__(self, work: Path, place: LocalPlace | None = None) -> None:
        self.work = work
        self.lines: list[str] = []
        self.threads: list[str] = []
        self.place = place or LocalPlace(environment(work), work)
        self.runtime = CodexRuntime(self.place, str(work), self.lines.append, Pace(first=timedelta(seconds=0.05)))

    def __call__(self, wanted: AgentRequest) -> AgentEnding:
        return self.runtime.run(wanted, self.threads.append)

    def processes(self, key: str = "run-1") -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # The mark is the run's whole folder: other agents on this machine may have a run of the same key.
                mark = next(v for v in (folder / "environ").read_bytes().split(b"\0") if v.startswith(b"AGENT_RUN="))
                if mark.startswith(f"AGENT_RUN={self.work.parent}/".encode()) and mark.endswith(f"/{key}".encode()):
                    found.append(int(folder.name))
            except (OSError, StopIteration):
                continue
        return found


class Outliving(LocalPlace):
    """A place like a pod: its processes outlive us."""

    def owner(self) -> int:
        return 0


_CHILD = """
import sys, json
from datetime import timedelta
from pathlib import Path
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.ports import AgentRequest
from tests.support.codex_runs import Outliving
work, config, env = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
def tell(thread): print(thread, flush=True)
CodexRuntime(Outliving(env, work), str(work), lambda line: None).run(
    AgentRequest("run-1", "go", config, timedelta(seconds=60), timedelta(seconds=60)), tell)
"""


def child(work: Path, model: Model) -> subprocess.Popen[str]:
    words = [str(work), request(model).config_toml, json.dumps(environment(work))]
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=heed_interrupts,
    )
