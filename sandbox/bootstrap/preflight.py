"""Can this machine carry a sandbox? Says all that is missing in one message, and installs what it may."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.bootstrap.cache import cache_root
from sandbox.bootstrap.programs import run
from sandbox.bootstrap.progress import Progress, SetupError

PACKAGES = (
    "buildah",
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "docker-registry",
    "git",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "rsync",
    "runc",
    "util-linux",
)
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
FREE_GIGABYTES = 8
# What the programs of one sandbox take of the kernel's inotify instances, which all of a user's programs share.
WATCHERS = 16
_NO_SERVICES = Path("/usr/sbin/policy-rc.d")
_INSTEAD = "Without a sandbox these still work: make test-unit, make check."


def refuse_where_impossible() -> None:
    """Raises `SetupError` with exit code 2 that lists every obstacle and what to do about each, if there is one."""
    obstacles = find_obstacles()
    if obstacles:
        listed = "\n".join(f"  - {obstacle}" for obstacle in obstacles)
        raise SetupError(f"this machine cannot run the sandbox:\n{listed}\n{_INSTEAD}", code=2)


def ensure_machine(progress: Progress) -> None:
    """Returns when everything the sandbox needs from the machine is there; installs missing Debian packages.

    Raises `SetupError` where that can't be.
    """
    refuse_where_impossible()
    missing = _missing_packages()
    if missing:
        with progress.step(f"installing Debian packages: {' '.join(missing)}", expect="a minute"):
            _install(missing)


def find_obstacles() -> list[str]:
    """What a person would have to change first; empty where the sandbox can run."""
    if sys.platform != "linux":
        return [f"it needs Linux namespaces and this is {sys.platform}; use a Linux machine or a virtual machine"]
    obstacles = []
    if os.geteuid() != 0:
        obstacles.append("it needs root for namespaces, mounts and containers; run the same command with sudo")
    if not shutil.which("apt-get") or not shutil.which("dpkg-query"):
        obstacles.append("it installs its parts with apt-get, which is not here; use Debian or Ubuntu")
    if os.uname().machine not in ("x86_64", "aarch64"):
        obstacles.append(f"it has been made for x86_64 and aarch64, not for {os.uname().machine}")
    if os.geteuid() == 0:
        obstacles += _kernel_obstacles()
    if not _may_watch(WATCHERS):
        obstacles.append(
            "other programs, perhaps other sandboxes, use up the kernel's inotify instances; end some, or allow more: "
            "sysctl fs.inotify.max_user_instances=1024"
        )
    free = shutil.disk_usage(_existing(cache_root())).free / 1e9
    if not (cache_root() / "registry").is_dir() and free < FREE_GIGABYTES:
        obstacles.append(
            f"{cache_root()} has {free:.0f} GB free and {FREE_GIGABYTES} are needed; free some or set XDG_CACHE_HOME"
        )
    return obstacles


def _kernel_obstacles() -> list[str]:
    if not shutil.which("unshare"):
        return ["the program unshare is not here; on Debian: apt-get install util-linux"]
    probe = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        why = probe.stderr.strip() or f"exit code {probe.returncode}"
        return [f"it may not make namespaces here ({why}); in a container, run that one privileged"]
    place = cache_root() / "run"
    place.mkdir(parents=True, exist_ok=True)
    script = 'cd "$1" && mkdir -p probe/l probe/u probe/w probe/m && cd probe && '
    script += "mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m; code=$?; umount m; "
    script += "rm -rf ../probe; exit $code"
    mounted = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        why = mounted.stderr.strip().splitlines()[0] if mounted.stderr.strip() else f"exit code {mounted.returncode}"
        return [f"{place} cannot carry overlay mounts ({why}); set XDG_CACHE_HOME to a folder on a real disk"]
    return []


def _may_watch(instances: int) -> bool:
    libc = ctypes.CDLL(None)
    taken: list[int] = []
    while len(taken) < instances and (found := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
        taken.append(found)
    for descriptor in taken:
        os.close(descriptor)
    return len(taken) == instances


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _missing_packages() -> list[str]:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *PACKAGES]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [package for package in PACKAGES if package not in installed]


def _install(packages: list[str]) -> None:
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*apt, "update"], env=environment)
    # Some packages start a service when they are installed; the sandbox wants the programs only.
    ours = not _NO_SERVICES.exists()
    if ours:
        _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        _NO_SERVICES.chmod(0o755)
    try:
        run([*apt, "install", "--yes", "--no-install-recommends", *packages], env=environment)
    finally:
        if ours:
            _NO_SERVICES.unlink(missing_ok=True)
