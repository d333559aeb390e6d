"""The virtualenv `.venv` with exactly the locked requirements."""

import os
import sys
from pathlib import Path

from sandbox.bootstrap.cache import digest, locked, remove_tree
from sandbox.bootstrap.programs import run
from sandbox.bootstrap.progress import Progress, SetupError

LAYOUT = "1"


def ensure_virtualenv(tree: Path, progress: Progress) -> Path:
    """Returns `.venv` of the clone at `tree`, made or brought up to date; a few milliseconds where it is.

    Every package is checked against the hashes in `requirements/`. Needs a package index.
    """
    home = tree / ".venv"
    stamp = home / ".codexctl-ci-stamp"
    uv_lock, dev_lock = tree / "requirements" / "uv.txt", tree / "requirements" / "dev.txt"
    wanted = digest(LAYOUT, str(home), sys.version, uv_lock, dev_lock)
    if stamp.is_file() and stamp.read_text() == wanted:
        put_command(home, tree)
        return home
    (tree / "build").mkdir(exist_ok=True)
    with locked(tree / "build" / "venv.lock"):
        if stamp.is_file() and stamp.read_text() == wanted:
            return home
        with progress.step("python packages into .venv", expect="20 s, the first time more"):
            remove_tree(home)
            _create(home)
            _install(home, uv_lock, dev_lock, progress)
            stamp.write_text(wanted)
    put_command(home, tree)
    return home


def put_command(home: Path, tree: Path) -> None:
    """`.venv/bin/codexctl-ci` runs this clone's own code."""
    script = home / "bin" / "codexctl-ci"
    if script.exists():
        return
    lines = ["import sys", f"sys.path.insert(0, {str(tree)!r})", "from codexctl_ci.__main__ import main", "main()"]
    text = "\n".join([f"#!{home / 'bin' / 'python'}", *lines, ""])
    # Two targets of make may do this at once.
    new = script.with_name(f"codexctl-ci.{os.getpid()}")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(script)


def _create(home: Path) -> None:
    try:
        run([sys.executable, "-m", "venv", home])
    except SetupError as error:
        raise SetupError(
            f"{error}\nThis Python cannot make virtualenvs; on Debian: apt-get install python3-venv", code=2
        ) from error


def _install(home: Path, uv_lock: Path, dev_lock: Path, progress: Progress) -> None:
    python = home / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
    try:
        run([*pip, "-r", uv_lock])
        # The machine's own certificates, so that a company's proxy is trusted as everywhere else.
        uv: list[str | Path] = [home / "bin" / "uv", "pip", "install", "-q", "--system-certs"]
        run([*uv, "--python", python, "--require-hashes", "-r", dev_lock])
    except SetupError as error:
        progress.say(f"  uv could not do it, so pip installs everything, which takes longer\n{error}")
        run([*pip, "-r", dev_lock])
