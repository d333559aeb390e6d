"""Starts, finds, enters and ends sandboxes. What `python -m sandbox`, the demo and the tests call."""

import fcntl
import json
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sandbox.bootstrap.cache import locked
from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.cluster.layout import PROVISIONED_VOLUMES, Layout
from sandbox.keeper import LOCK, abandoned, homes, reap_abandoned
from sandbox.preparation import Prepared
from sandbox.state import State, read_state

END_LIMIT = timedelta(seconds=60)


def start(prepared: Prepared, progress: Progress, *, name: str = "") -> State:
    """Starts a sandbox that stays until `stop`, and returns when all of it is ready.

    Raises `SetupError` where it doesn't come up, or where one of that name is running.
    """
    state, keeper = _launch(prepared, progress, name, attached=False)
    if keeper.stdout:
        keeper.stdout.close()
    return state


@contextmanager
def running(prepared: Prepared, progress: Progress, *, name: str = "") -> Iterator[State]:
    """A sandbox for the body of a `with`: it ends with it, and with this process, even a killed one."""
    state, keeper = _launch(prepared, progress, name, attached=True)
    try:
        yield state
    finally:
        if keeper.stdin:
            keeper.stdin.close()
        if keeper.stdout:
            for line in keeper.stdout.read().decode().splitlines():
                progress.say(f"sandbox {state.name}: {line}")
            keeper.stdout.close()
        keeper.wait()


def stop(state: State) -> None:
    """Ends a sandbox; returns when nothing of it is left."""
    try:
        watched = os.pidfd_open(state.keeper)
    except ProcessLookupError:
        with locked(homes().with_name("run.lock")):
            reap_abandoned()
        return
    with os.fdopen(watched, "rb"):
        signal.pidfd_send_signal(watched, signal.SIGTERM)
        if not select.select([watched], [], [], END_LIMIT.total_seconds())[0]:
            raise SetupError(f"sandbox {state.name} did not end in {END_LIMIT.total_seconds():.0f} s")


def find(name: str = "") -> list[State]:
    """The sandboxes that are up, or those of that name."""
    found = []
    for file in sorted(homes().glob("*/state.json")):
        with abandoned(file.parent) as it_is:
            if not it_is and name in ("", file.parent.name):
                found.append(read_state(file))
    return found


def enter_argv(state: State, argv: Sequence[str], folder: Path) -> list[str]:
    """The command line that runs `argv` inside a sandbox, in `folder`."""
    target = ["--target", str(state.first_process), "--net", "--mount", "--pid"]
    return ["nsenter", *target, "--", "env", f"--chdir={folder}", *argv]


def run_inside(state: State, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs a program inside with this process's terminal, folder and environment; returns its exit code.

    Signals to this process reach the program.
    """
    process = subprocess.Popen(
        enter_argv(state, argv, Path.cwd()), env={**os.environ, **state.environment(), **(environment or {})}
    )
    inherited = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    inherited[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda number, _: _signal_child(process, number))
    try:
        code = process.wait()
    finally:
        for number, handler in inherited.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _signal_child(process: "subprocess.Popen[bytes]", number: int) -> None:
    """`nsenter` waits for the program that it started; that one is to have the signal."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except FileNotFoundError:  # it has just ended
        return
    for pid in [int(child) for child in children] or [process.pid]:
        os.kill(pid, number)


def _launch(
    prepared: Prepared, progress: Progress, name: str, *, attached: bool
) -> tuple[State, "subprocess.Popen[bytes]"]:
    name = name or f"s-{secrets.token_hex(3)}"
    with locked(homes().with_name("run.lock")):
        homes().mkdir(parents=True, exist_ok=True)
        reap_abandoned()
        home = homes() / name
        if find(name):
            raise SetupError(f"a sandbox named {name} is running: `python -m sandbox down --name {name}` ends it")
        Layout(home).create()
        lock = (home / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        PROVISIONED_VOLUMES.mkdir(exist_ok=True)
    order = {
        "home": home,
        "tree": prepared.tree,
        "cache": prepared.cache,
        "registry_storage": prepared.registry_storage,
        "unpacked_images": prepared.unpacked_images,
        "wheels": prepared.wheels,
        "programs": prepared.programs,
        "kaniko_image": prepared.kaniko_image,
        "kaniko_executor": prepared.kaniko_executor,
        "path": prepared.path,
    }
    draft = home / "order.new"
    draft.write_text(json.dumps(order, default=str))
    draft.rename(home / "order.json")
    with lock, progress.step(f"starting sandbox {name}", expect="8 s"):
        keeper = subprocess.Popen(
            [sys.executable, "-m", "sandbox.keeper", str(home), *(["attached"] if attached else [])],
            cwd=prepared.tree,
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if attached else subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        assert keeper.stdout
        try:
            said = keeper.stdout.readline().decode()
        except BaseException:
            keeper.terminate()  # interrupted: nobody would know of it
            raise
        if said != "ready\n":
            raise SetupError(f"the sandbox did not come up: {said}{keeper.stdout.read().decode()}")
    return read_state(home / "state.json"), keeper
