"""A Go toolchain: the machine's own where it is new enough, else the one from the package index."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, digest, ensure
from sandbox.bootstrap.programs import run
from sandbox.bootstrap.progress import Progress, SetupError

NEEDED = (1, 26)


@dataclass(frozen=True)
class Go:
    """A `go` program that is new enough for every tool."""

    program: Path

    def build(self, module: Path, output: str, package: str, tags: str, ldflags: str) -> None:
        """Builds `package` of `module`, static and from its locked requirements, to `output`.

        `output` is a file, or a folder if it ends in a slash.
        """
        flags = ["-trimpath", "-mod=readonly", "-buildvcs=false", "-tags", tags, "-ldflags", f"-s -w {ldflags}".strip()]
        run([self.program, "build", *flags, "-o", output, package], cwd=module, env=self._environment())

    def _environment(self) -> dict[str, str]:
        return {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def find_go(tree: Path, progress: Progress) -> Go:
    """Returns Go 1.26 or newer. Raises `SetupError` where neither the machine nor the index has one."""
    found = shutil.which("go")
    if found and _version(found) >= NEEDED:
        return Go(Path(found))
    lock = tree / "requirements" / "go.txt"
    home = cache_root() / "tools" / f"go-{digest(lock, os.uname().machine)}"

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        uv = tree / ".venv" / "bin" / "uv"
        if uv.is_file():
            pip = [str(uv), "pip", "install", "-q", "--system-certs", "--require-hashes"]
        with progress.step("Go from the package index, since there is none here that is new enough", expect="20 s"):
            run([*pip, "--target", folder, "-r", lock])

    try:
        ensure(home, install)
    except SetupError as error:
        needed = ".".join(map(str, NEEDED))
        raise SetupError(
            f"there is no Go {needed} here, and the package index has none either.\n{error}", code=2
        ) from error
    for program in sorted(home.rglob("bin/go")):
        if program.is_file() and _version(str(program)) >= NEEDED:
            return Go(program)
    raise SetupError(f"the Go from the package index in {home} does not run on this machine", code=2)


def _version(program: str) -> tuple[int, int]:
    result = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    match = re.match(r"go(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
