"""`python -m sandbox`: prepare, start, look at, enter and end sandboxes."""

import argparse
import os
import sys
from pathlib import Path

from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.state import VARIABLE, State, read_state

TREE = Path(__file__).resolve().parents[1]


def main(argv: list[str]) -> int:
    """Carries out one subcommand; the exit code of `run` is that of the program it ran."""
    options = _parser().parse_args(argv)
    try:
        return int(options.act(options))
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("prepare", help="build what a sandbox needs").set_defaults(act=_prepare)
    up = commands.add_parser("up", help="start a sandbox that stays")
    up.add_argument("--name", default="dev")
    up.set_defaults(act=_up)
    down = commands.add_parser("down", help="end a sandbox")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", default="")
    which.add_argument("--all", action="store_true", help="all of this machine, of other clones too")
    down.set_defaults(act=_down)
    run = commands.add_parser("run", help="run a program inside a sandbox: one of its own, or a running one")
    run.add_argument("--name", default="", help="a running sandbox")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM ...")
    run.set_defaults(act=_run)
    commands.add_parser("status", help="the sandboxes that are up").set_defaults(act=_status)
    return parser


def _prepare(_options: argparse.Namespace) -> int:
    from sandbox.preparation import prepare

    prepare(TREE, Progress())
    return 0


def _up(options: argparse.Namespace) -> int:
    from sandbox.lifecycle import start
    from sandbox.preparation import prepare

    progress = Progress()
    state = start(prepare(TREE, progress), progress, name=options.name)
    _describe(state)
    return 0


def _down(options: argparse.Namespace) -> int:
    from sandbox.lifecycle import find, stop

    if not options.name and not options.all:
        raise SetupError("--name is empty; --all ends every sandbox of this machine", code=2)
    found = find(options.name)
    for state in found:
        stop(state)
        print(f"{state.name} has ended")
    if not found and options.name:
        raise SetupError(f"no sandbox named {options.name} is up", code=2)
    return 0


def _run(options: argparse.Namespace) -> int:
    from sandbox.lifecycle import find, run_inside, running
    from sandbox.preparation import prepare

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    command = command or [os.environ.get("SHELL", "bash")]
    if options.name:
        found = find(options.name)
        if not found:
            raise SetupError(f"no sandbox named {options.name} is up", code=2)
        return run_inside(found[0], command)
    progress = Progress()
    with running(prepare(TREE, progress), progress) as state:
        return run_inside(state, command)


def _status(_options: argparse.Namespace) -> int:
    from sandbox.lifecycle import find

    inside = os.environ.get(VARIABLE)
    for state in [read_state(Path(inside))] if inside else find():
        _describe(state)
    return 0


def _describe(state: State) -> None:
    print(f"{state.name}: {state.api_server}, registry {state.registry}, GitHub {state.github}, model {state.model}")
    print(f"  look around:  .venv/bin/python -m sandbox run --name {state.name} -- kubectl get pods -A")
    print(f"  end it:       .venv/bin/python -m sandbox down --name {state.name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
