"""A demo that was left running: how a person looks around in it from the machine, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import gethostname

import yaml

from sandbox.demo.traces import machine, tell, traces
from sandbox.doors import open_doors
from sandbox.lifecycle import find, stop
from sandbox.state import State

NOTE, KEPT = "left.json", "kept"


@dataclass(frozen=True)
class Left:
    """What was left for a person to look at: a repository, somebody who may read it, and an issue's environment."""

    repository: str
    login: str
    token: str
    namespace: str
    issue: int

    def write(self, folder: Path) -> None:
        """Write it for `look_around`; it holds a token, so nobody else may read it."""
        private(folder / NOTE, json.dumps(asdict(self)))


def private(file: Path, text: str) -> Path:
    """Write a file that its owner alone may read; return it."""
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def look_around(state: State, folder: Path, build: Path) -> str:
    """Open doors into a demo that was left running, and say what is behind them. Every line works as it is printed."""
    note = folder / NOTE
    left = Left(**json.loads(note.read_text())) if note.exists() else None
    inside = f".venv/bin/python -m sandbox run --name {state.name} -- bash"
    targets = [state.api_server.removeprefix("https://"), state.github.removeprefix("http://")]
    if left:
        targets.append(f"web.{left.namespace}.svc.cluster.local:8080")
    api, github, *web = open_doors(state, targets)
    lines = ["It is still running. From here:", "", *_kubectl(state, folder, api, left.namespace if left else "")]
    if left:
        lines += ["", *_github(left, folder, github)]
        lines += ["", f"  browser   http://127.0.0.1:{web[0]}/  the project as issue #{left.issue} has it"]
    lines += [
        f"  {'' if left else 'browser':<8}  file://{build / 'report.html'}  what happened, on one page",
        f"            (from another machine: ssh -L {web[0]}:127.0.0.1:{web[0]} {gethostname()})" if left else "",
        "",
        f"  inside    {inside}",
        f"  logs      {folder}",
        "",
        f"End it: make demo-down DEMO={state.name}    (make demo-down ends all that this clone left running)",
    ]
    return "\n".join(line for index, line in enumerate(lines) if line or lines[index - 1])


def _kubectl(state: State, folder: Path, port: int, namespace: str) -> list[str]:
    config = yaml.safe_load(state.kubeconfig.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{port}"
    file = private(folder / "kubeconfig", json.dumps(config))
    where = f"-n {namespace}" if namespace else "-A"
    return [f"  kubectl   .venv/bin/kubectl --kubeconfig {file} get pods {where}"]


def _github(left: Left, folder: Path, port: int) -> list[str]:
    host = f"127.0.0.1:{port}"
    store = private(folder / "git-credentials", f"http://{left.login}:{left.token}@{host}\n")
    header = private(folder / "github-header", f"Authorization: Bearer {left.token}\n")
    return [
        f"  git       git -c credential.helper='store --file={store}' clone http://{left.login}@{host}/{left.repository}.git",
        f"  GitHub    curl -H @{header} http://{host}/api/v3/repos/{left.repository}/pulls",
    ]


def down(build: Path, name: str = "") -> int:
    """End what this clone's demos left running, or the one of that name; return an exit code."""
    ended = 0
    for folder in _kept(build):
        if name and folder.name != name:
            continue
        for state in find(folder.name):
            stop(state)
            print(f"{state.name} has ended")
            ended += 1
        if tell(traces(folder.name, machine())):
            return 1
        # It holds tokens and keys, of nothing any more.
        shutil.rmtree(folder)
    if not ended:
        print(f"no demo {name} is running" if name else "no demo of this clone is running")
    return 1 if name and not ended else 0


def _kept(build: Path) -> Iterable[Path]:
    return sorted(note.parent for note in build.glob(f"*/{KEPT}"))


def new_folder(build: Path, name: str) -> Path:
    """The folder of a new demo; folders of demos that are over are removed."""
    for folder in build.glob("demo-*/"):
        starter = folder.name.removeprefix("demo-")
        if not find(folder.name) and not Path("/proc", starter).exists():
            shutil.rmtree(folder, ignore_errors=True)
    folder = build / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    return folder
