"""The three neighbours as processes, as the sandbox starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.github.client import GitHub
from sandbox.model.client import Model
from sandbox.runner.client import Runner


@contextmanager
def started(module: str, *arguments: str) -> Iterator[str]:
    """Start a module; yield the line that says it listens; end it politely."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--listen", "127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(10)


def test_each_says_when_it_listens_and_where(tmp_path: Path) -> None:
    github, runner, model = (tmp_path / name for name in ("github", "runner", "model"))
    (tmp_path / "keys").write_text("sk-one\nsk-two\n")
    (tmp_path / "steps.json").write_text(json.dumps({"PATH": "/usr/bin:/bin"}))
    runner_arguments = ("--state", str(runner), "--github", str(github), "--act", "/bin/true")
    with started("sandbox.github", "--state", str(github)) as said:
        client = GitHub.from_state(github)
        assert said == f"listening {client.url}\n"
        with started("sandbox.runner", *runner_arguments, "--environment", str(tmp_path / "steps.json")) as said:
            found = Runner.from_state(runner, client)
            assert said == f"listening {found.url}\n"
            assert found.runs() == []
        assert (github / "address.json").stat().st_mode & 0o077 == 0
    with started("sandbox.model", "--state", str(model), "--key-file", str(tmp_path / "keys")) as said:
        assert said == f"listening {Model.from_state(model).url}\n"
        assert Model.from_state(model).requests() == []
