"""Stands outside a sandbox, holds it, and tidies up what the kernel doesn't when it has ended.

`python -m sandbox.keeper HOME [attached]`: attached, it ends the sandbox when its standard input closes, so that it
ends with whoever started it, however that one ends. Otherwise it ends it on SIGTERM. It inherits the lock on the
sandbox's folder, which tells that the sandbox is not abandoned.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, locked, remove_tree
from sandbox.bootstrap.preflight import NAMESPACES
from sandbox.cluster import layout
from sandbox.cluster.machine import die_with_parent
from sandbox.state import State

LOCK = "lock"
CGROUPS = Path("/sys/fs/cgroup")
CONTAINER_CGROUPS = "k8s.io"
CGROUP_LIMIT = timedelta(seconds=10)
START_LIMIT = timedelta(seconds=180)


class Ended(Exception):
    """The sandbox is to end, or has ended."""


def homes() -> Path:
    """The folder with one folder for each running sandbox."""
    return cache_root() / "run"


def main(home: Path, attached: bool) -> int:
    """Holds the sandbox at `home` until it ends; prints `ready`, or why it could not start."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report, write_report = os.pipe()
    failed = True
    holder = _start(home, write_report)
    os.close(write_report)
    try:
        answer = _read_report(report)
        if answer == "ready":
            _state(home, _child_of(holder.pid)).write()
            print("ready", flush=True)
            failed = _wait(holder, attached)
        else:
            print(answer or f"failed:\n{_tail(home / 'logs' / 'sandbox.log')}", flush=True)
    except (Ended, BrokenPipeError):  # told to end, or nobody is there any more to be told that it is up
        failed = False
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if failed:
            _keep_logs(home)
        holder.kill()
        holder.wait()
        clean_up(home)
    return 1 if failed else 0


def clean_up(home: Path) -> None:
    """Removes what a sandbox that has ended left on the machine: cgroup folders and its own folder."""
    _remove(home)
    with locked(homes().with_name("run.lock")):
        _remove_shared()


def _remove(home: Path) -> None:
    # Containers that the runtime still knew are in cgroups of their ids; nobody else's are touched.
    known = home / "data" / "containerd" / "io.containerd.grpc.v1.cri"
    for hierarchy in _hierarchies():
        for container in known.glob("*/*"):
            _remove_cgroups(hierarchy / CONTAINER_CGROUPS / container.name)
    remove_tree(home)


def _remove_shared() -> None:
    """What the last sandbox of the machine takes with it. The caller holds the lock of all sandboxes."""
    if any(homes().iterdir()):
        return
    for hierarchy in _hierarchies():
        with contextlib.suppress(OSError):
            (hierarchy / CONTAINER_CGROUPS).rmdir()
    if layout.PROVISIONED_VOLUMES.is_dir() and not any(layout.PROVISIONED_VOLUMES.iterdir()):
        layout.PROVISIONED_VOLUMES.rmdir()


@contextlib.contextmanager
def abandoned(home: Path) -> Iterator[bool]:
    """Whether nobody holds the sandbox at `home` any more; if so, nobody else sees it so during the body."""
    with (home / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def reap_abandoned() -> None:
    """Cleans up after sandboxes whose keeper was killed. The caller holds the lock of all sandboxes: a process that
    takes it twice would wait for itself."""
    for home in homes().glob("*/"):
        with abandoned(home) as it_is:
            if it_is:
                _remove(home)
    _remove_shared()


def _start(home: Path, report: int) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "sandbox.cluster", str(home / "order.json"), str(report)]
    log = (home / "logs" / "sandbox.log").open("wb")
    # The keeper's death ends `unshare`, whose death ends the first process, whose death ends the sandbox.
    return subprocess.Popen(
        ["unshare", *NAMESPACES, *argv],
        cwd=json.loads((home / "order.json").read_text())["tree"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=(report,),
        preexec_fn=die_with_parent,
    )


def _read_report(pipe: int) -> str:
    """What the supervisor reports; empty where it died without a word."""
    text = b""
    deadline = time.monotonic() + START_LIMIT.total_seconds()
    watched = [pipe]
    while not text.endswith(b"\n"):
        left = deadline - time.monotonic()
        readable, _, _ = select.select(watched, [], [], max(left, 0))
        if not readable:
            return f"failed: not up after {START_LIMIT.total_seconds():.0f} s"
        part = os.read(pipe, 65536)
        if not part:
            break
        text += part
    return text.decode(errors="replace").strip()


def _wait(holder: "subprocess.Popen[bytes]", attached: bool) -> bool:
    """Returns whether the sandbox ended by itself; False when whoever started it is gone."""
    child = os.pidfd_open(holder.pid)
    watched = [child, 0] if attached else [child]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if child in readable:
            return True
        if not os.read(0, 4096):
            return False


def _end(_signal: int, _frame: object) -> None:
    raise Ended


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _state(home: Path, first_process: int) -> State:
    order = json.loads((home / "order.json").read_text())
    files = layout.Layout(home)
    node = layout.NODE_ADDRESS
    return State(
        name=home.name,
        home=home,
        first_process=first_process,
        keeper=os.getpid(),
        node_address=node,
        node_name=layout.NODE_NAME,
        api_server=layout.API_SERVER,
        kubeconfig=files.kubeconfig("admin"),
        authority=files.keys / "ca.crt",
        registry=layout.REGISTRY,
        github=f"http://{node}:{layout.GITHUB_PORT}",
        github_state=files.data / "github",
        model=f"http://{node}:{layout.MODEL_PORT}",
        model_state=files.data / "model",
        model_key_file=files.model_key_file,
        codex_image=f"{layout.REGISTRY}/codexctl-ci/codex:latest",
        kaniko_image=f"{layout.REGISTRY}/{order['kaniko_image']}",
        kaniko_executor=Path(order["kaniko_executor"]),
        kaniko_storage=files.data / "kaniko",
        wheels=Path(order["wheels"]),
        path=tuple(Path(folder) for folder in order["path"]),
    )


def _hierarchies() -> list[Path]:
    """Where cgroups are mounted: one place (version 2), or one folder a controller (version 1)."""
    return [CGROUPS, *(folder for folder in CGROUPS.glob("*/") if (folder / "cgroup.procs").exists())]


def _remove_cgroups(root: Path) -> None:
    """Removes a folder of cgroups with all below; waits a bounded time for processes that are still ending."""
    deadline = time.monotonic() + CGROUP_LIMIT.total_seconds()
    while root.is_dir():
        for folder, _, _ in os.walk(root, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.02)


def _keep_logs(home: Path) -> None:
    kept = cache_root() / "logs" / home.name
    remove_tree(kept)
    shutil.copytree(home / "logs", kept, dirs_exist_ok=True)
    with contextlib.suppress(BrokenPipeError):
        print(f"its logs are in {kept}", flush=True)


def _tail(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-15:]) if file.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "attached" in sys.argv[2:]))
