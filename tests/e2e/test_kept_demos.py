"""Two demos that were left running: how one looks around, that they see nothing of each other, how each ends."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.bootstrap.progress import Progress
from sandbox.demo.keeping import KEPT, Left, down, look_around
from sandbox.keeper import homes
from sandbox.lifecycle import enter_argv, find, start, stop
from sandbox.preparation import prepare
from sandbox.state import State
from tests.support.cluster import new_name

TREE = Path(__file__).resolve().parents[2]
LATEST = "busybox:1.37.0"


@pytest.fixture
def demos(sandbox: State, tmp_path: Path) -> Iterator[list[State]]:
    """Two sandboxes that stay, each with the note that a demo makes of itself."""
    prepared, names = prepare(TREE, Progress()), [new_name("demo"), new_name("demo")]
    try:
        with ThreadPoolExecutor() as pool:
            yield list(pool.map(lambda name: start(prepared, Progress(), name=name), names))
    finally:
        for state in [state for name in names for state in find(name)]:
            stop(state)


def inside(state: State, *argv: str) -> str:
    words = enter_argv(state, argv, TREE)
    environment = state.environment()
    return subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, timeout=90, check=True).stdout


def leave(state: State, build: Path) -> Path:
    """Leave a repository and a project's frontend in a sandbox, as the demo does; return the demo's folder."""
    folder = build / state.name
    folder.mkdir(parents=True)
    (folder / KEPT).touch()
    script = (
        "import sys; from pathlib import Path; from sandbox.github.client import GitHub;"
        "hub = GitHub.from_state(Path(sys.argv[1])); olga = hub.person('olga');"
        "hub.repository('olga', 'pantry', private=True);"
        "olga.push_folder('olga/pantry', Path(sys.argv[2])); print(olga.token)"
    )
    (folder / "source").mkdir()
    (folder / "source" / "mine").write_text(state.name)
    token = inside(state, sys.executable, "-c", script, str(state.github_state), str(folder / "source")).strip()
    inside(state, "kubectl", "create", "namespace", "shop")
    serve = f"echo {state.name} >/tmp/index.html; httpd -f -p 8080 -h /tmp"
    inside(state, "kubectl", "-n", "shop", "run", "web", f"--image={LATEST}", "--", "sh", "-c", serve)
    inside(state, "kubectl", "-n", "shop", "expose", "pod", "web", "--port=8080")
    inside(state, "kubectl", "-n", "shop", "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    Left("olga/pantry", "olga", token, "shop", 1).write(folder)
    return folder


def printed(text: str, what: str) -> list[str]:
    """The words of the line that is about this."""
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [what]]
    return shlex.split(line)[1:]


def run(words: list[str], folder: Path = TREE) -> str:
    return subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout


def test_everything_that_is_printed_works_and_one_ends_without_the_other(
    demos: list[State], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    build = tmp_path / "build"
    told = []
    for state in demos:
        folder = leave(state, build)
        told.append(look_around(state, folder, build))
    first, second = demos
    for state, text in zip(demos, told, strict=True):
        assert "web" in run(printed(text, "kubectl"))
        run(printed(text, "git"), tmp_path)
        assert (tmp_path / "pantry" / "mine").read_text() == state.name
        (tmp_path / "pantry").rename(tmp_path / f"clone-{state.name}")
        assert json.loads(run(printed(text, "GitHub"))) == []
        with urllib.request.urlopen(printed(text, "browser")[0], timeout=10) as answer:
            assert answer.read().decode().strip() == state.name
        assert state.name in run([*printed(text, "inside"), "-c", "echo $SANDBOX_STATE"])

    assert down(build, first.name) == 0
    assert not (homes() / first.name).exists() and not (build / first.name).exists()
    assert "web" in run(printed(told[1], "kubectl"))
    said = capfd.readouterr().out
    assert f"{first.name} has ended" in said and "nothing is left behind" in said

    assert down(build) == 0
    assert not find(second.name) and not list(build.iterdir())
    assert f"{second.name} has ended" in capfd.readouterr().out
    assert down(build) == 0
    assert "no demo of this clone is running" in capfd.readouterr().out
