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
from sandbox.demo.timeline import Report, Timeline, demand

TREE = Path(__file__).resolve().parents[2]
BUILD = TREE / "build" / "demo"
REPORTS = ("report.json", "report.html")
INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """0 only where everything was seen to be true."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave it running at the end")
    parser.add_argument("--down", action="store_true", help="end what --keep left running")
    parser.add_argument("--name", default="", help="with --down: only the demo of that name")
    parser.add_argument("--inside", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        if options.inside:
            return _inside(options.inside, options.keep, Progress(began=options.began))
        if options.down:
            from sandbox.demo.keeping import down

            return down(BUILD, options.name)
        return _outside(options.keep)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED


def _outside(keep: bool) -> int:
    from sandbox.demo.keeping import KEPT, look_around, new_folder
    from sandbox.demo.traces import machine, tell, traces
    from sandbox.lifecycle import run_inside, running, start, stop
    from sandbox.preparation import prepare

    for report in REPORTS:  # of the demo before, which is not what this one tells
        (BUILD / report).unlink(missing_ok=True)
    progress = Progress()
    prepared = prepare(TREE, progress)
    name = f"demo-{os.getpid()}"
    folder = new_folder(BUILD, name)
    tool = _copy_ourselves(folder)
    environment = {"CODEXCTL_TOOL_CACHE": str(prepared.cache / "runner"), "CODEXCTL_PYTHON": sys.executable}
    with progress.step("setting up our command line as a runner would", expect="10 s"):
        # Inside the sandbox there is no package index; a runner in a cluster does this itself.
        subprocess.run([tool / "actions" / "codexctl-ci", "--version"], env=os.environ | environment, check=True)
    before = machine()
    if keep:
        (folder / KEPT).touch()
    words = [sys.executable, "-m", "sandbox.demo", "--inside", name, "--began", str(progress.began)]
    words += ["--keep"] if keep else []
    try:
        sandbox = nullcontext(start(prepared, progress, name=name)) if keep else running(prepared, progress, name=name)
        with sandbox as state:
            code = run_inside(state, words, environment)
    except KeyboardInterrupt:
        tell(traces(name, before))
        raise
    for report in REPORTS:
        if (folder / report).exists():
            shutil.copy2(folder / report, BUILD / report)
    if keep and code != INTERRUPTED:
        print("\n" + look_around(state, folder, BUILD))
        return code
    if keep:
        stop(state)
    return tell(traces(name, before)) or code


def _copy_ourselves(folder: Path) -> Path:
    """What a user gets of us: the files that git keeps."""
    tool = folder / "tool"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TREE, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name.startswith(("actions/", "codexctl_ci/", "requirements/", ".github/")) or name == "action.yml":
            target = tool / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, target)
    # A repository of its own, so that what our own one ignores doesn't concern it.
    subprocess.run(["git", "init", "-q", "."], cwd=tool, check=True)
    return tool


def _inside(name: str, keep: bool, progress: Progress) -> int:
    from sandbox.demo.evidence import Evidence
    from sandbox.demo.page import write_page
    from sandbox.demo.setting import create_repository, install_operator_files, processes
    from sandbox.demo.story import describe_cluster, leave_one_open, play
    from sandbox.state import VARIABLE, read_state

    state = read_state(Path(os.environ[VARIABLE]))
    folder = BUILD / name
    report, seen = Report(), Evidence()
    line = Timeline(report, progress)
    timings = folder / "timings.jsonl"
    try:
        with line.step("cluster, registry, GitHub, model") as step:
            step.detail = describe_cluster()
        with line.step("what an operator installs: the runner's account, admission policy, model proxy") as step:
            kubeconfig = install_operator_files(TREE, state, folder)
            step.detail = "the runner has only what ships in examples/cluster"
        with processes(TREE, state, folder, kubeconfig, timings, keep=keep) as runner:
            with line.step("a team's repository") as step:
                stage = create_repository(TREE, folder, state, runner, timings)
                step.detail = f"{stage.repository}, from examples/project-example"
            try:
                play(stage, line, seen)
            finally:
                missing = seen.see_conversation(stage, seen.number, report.pr_number)
            demand(not missing, f"the report can't show all of it: {'; '.join(missing)}")
            report.conclusion = "success"
            if keep:
                leave_one_open(stage, line).write(folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, the report tells it
        report.conclusion, report.failure = "failed", f"{type(error).__name__}: {error}"
        print(f"\nfailed: {report.failure}", file=sys.stderr)
    line.close()
    report.write(folder / "report.json")
    write_page(folder / "report.html", report, seen)
    print(f"\n{report.conclusion}: {BUILD / 'report.html'}, and as data in report.json beside it")
    return 0 if report.conclusion == "success" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
