"""``python -m sandbox.demo [--keep]``: the main job on this machine; ``--inside`` is what runs in the sandbox."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.demo.timeline import Report, Timeline

TREE = Path(__file__).resolve().parents[2]
BUILD = TREE / "build" / "demo"
NAME = "demo-{}"


def main(argv: list[str]) -> int:
    """0 only where everything was seen to be true."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running at the end")
    parser.add_argument("--down", action="store_true", help="end what --keep left running")
    parser.add_argument("--inside", metavar="NAME", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        if options.inside:
            return _inside(options.inside, options.keep)
        return _down() if options.down else _outside(options.keep)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130


def _outside(keep: bool) -> int:
    from sandbox.lifecycle import run_inside, running, start
    from sandbox.preparation import prepare

    progress = Progress()
    prepared = prepare(TREE, progress)
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    tool = _copy_ourselves()
    environment = {"CODEXCTL_TOOL_CACHE": str(prepared.cache / "runner"), "CODEXCTL_PYTHON": sys.executable}
    with progress.step("setting up our command line as a runner would", expect="10 s"):
        # Inside the sandbox there is no package index; a runner in a cluster does this itself.
        subprocess.run([tool / "actions" / "codexctl-ci", "--version"], env=os.environ | environment, check=True)
    name = NAME.format(os.getpid())
    before = machine()
    sandbox = nullcontext(start(prepared, progress, name=name)) if keep else running(prepared, progress, name=name)
    with sandbox as state:
        words = [sys.executable, "-m", "sandbox.demo", "--inside", name, *(["--keep"] if keep else [])]
        code = run_inside(state, words, environment)
    if keep:
        (BUILD / "name").write_text(name)
        return code
    left = traces(name, before)
    for trace in left:
        print(f"left behind: {trace}", file=sys.stderr)
    if not left:
        print("nothing is left behind: no process, mount, interface or iptables rule")
    return code or (1 if left else 0)


def machine() -> frozenset[str]:
    """What a cluster would add to the machine's own network: interfaces and iptables rules."""
    found = {f"interface {link.name}" for link in Path("/sys/class/net").iterdir()}
    if shutil.which("iptables-save"):
        rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
        found |= {f"iptables rule {line}" for line in rules.splitlines() if line.startswith("-A")}
    return frozenset(found)


def traces(name: str, before: frozenset[str]) -> list[str]:
    """What of a sandbox of that name is still there: processes, mounts, and what its network added."""
    found = sorted(machine() - before)
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"/run/{name}" in line:
            found.append(f"process {place.parent.name}: {line[:100]}")
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return found + [f"mount {line.split()[1]}" for line in mounts if f"/run/{name}" in line]


def _copy_ourselves() -> Path:
    """What a user gets of us: the files that git keeps."""
    tool = BUILD / "tool"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TREE, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name.startswith(("actions/", "codexctl_ci/", "requirements/", ".github/")) or name == "action.yml":
            target = tool / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, target)
    # A repository of its own, so that what our own one ignores doesn't concern it.
    subprocess.run(["git", "init", "-q", "."], cwd=tool, check=True)
    return tool


def _inside(name: str, keep: bool) -> int:
    from sandbox.demo.setting import create_repository, install_operator_files, processes
    from sandbox.demo.story import describe_cluster, look_around, play
    from sandbox.state import VARIABLE, read_state

    state = read_state(Path(os.environ[VARIABLE]))
    report = Report()
    line = Timeline(report)
    timings = BUILD / "timings.jsonl"
    try:
        with line.step("cluster, registry, GitHub, model") as step:
            step.detail = describe_cluster()
        with line.step("what an operator installs: the runner's account, admission policy, model proxy") as step:
            kubeconfig = install_operator_files(TREE, state, BUILD)
            step.detail = "the runner has only what ships in examples/cluster"
        with processes(TREE, state, BUILD, kubeconfig, timings, keep=keep) as runner:
            with line.step("a team's repository") as step:
                stage = create_repository(TREE, BUILD, state, runner, timings)
                step.detail = f"{stage.repository}, from examples/project-example"
            play(stage, line)
            report.conclusion = "success"
    except Exception as error:  # noqa: BLE001 - whatever it is, the report tells it
        report.failure = f"{type(error).__name__}: {error}"
        print(f"\nfailed: {report.failure}", file=sys.stderr)
    line.close()
    report.write(BUILD / "report.json")
    print(f"\n{report.conclusion}: build/demo/report.json")
    if keep and report.conclusion == "success":
        token = BUILD / "token"
        token.touch(mode=0o600)
        token.write_text(stage.owner.token)
        print("\n" + look_around(stage, name))
    return 0 if report.conclusion == "success" else 1


def _down() -> int:
    from sandbox.lifecycle import find, stop

    found = [state for state in find() if state.name.startswith("demo-")]
    for state in found:
        stop(state)
        print(f"{state.name} has ended")
    if not found:
        print("no demo is running")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
