"""Sets up this ref's command line on a runner and becomes it. Needs nothing but Python.

The environment lies in the runner's tool cache, named by the hash of the locked requirements and of our own code, so
that every ref has its own and a second job finds it. Hashes of all packages are checked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"


def key() -> str:
    """Names the environment: what is installed, and for which Python."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {sys.executable}".encode())
    for path in sorted([LOCK, *(ROOT / "codexctl_ci").rglob("*")]):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def cache() -> Path:
    """Where environments are kept: as told, in the runner's tool cache, or in the user's own cache."""
    if os.environ.get("CODEXCTL_TOOL_CACHE"):
        return Path(os.environ["CODEXCTL_TOOL_CACHE"])
    tools = os.environ.get("RUNNER_TOOL_CACHE", "")
    if tools and os.access(tools, os.W_OK):
        return Path(tools) / "codexctl-ci"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codexctl-ci" / "runner"


def install(home: Path) -> None:
    """Build the environment beside its place and move it there whole."""
    began = time.monotonic()
    sys.stderr.write(f"codexctl-ci: setting up in {home}\n")
    shutil.rmtree(home, ignore_errors=True)
    uv = shutil.which("uv")
    quiet = {"stdout": sys.stderr, "check": True}
    if uv:
        # uv brings authorities of its own; a runner's private ones are the machine's.
        os.environ.setdefault("UV_SYSTEM_CERTS", "true")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], **quiet)
        words = [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python")]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(home)], **quiet)
        words = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*words, "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)], **quiet)
    python = str(home / "bin" / "python")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(ROOT / "codexctl_ci", Path(packages) / "codexctl_ci", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([python, "-m", "compileall", "-q", str(Path(packages) / "codexctl_ci")], **quiet)
    (home / "complete").touch()
    sys.stderr.write(f"codexctl-ci: set up in {time.monotonic() - began:.1f}s\n")


def main() -> None:
    """Make sure of the environment, then exec the command line in it, isolated from the working directory."""
    home = cache() / key()
    if not (home / "complete").exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with (home.parent / f"{home.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / "complete").exists():
                try:
                    install(home)
                except subprocess.CalledProcessError as error:
                    message = f"setting up failed (exit {error.returncode}): can this runner reach the package index?"
                    sys.stderr.write(f"::error title=codexctl-ci::{message}\n")
                    sys.exit(1)
    python = str(home / "bin" / "python")
    os.execv(python, [python, "-I", "-m", "codexctl_ci", *sys.argv[1:]])


if __name__ == "__main__":
    main()
