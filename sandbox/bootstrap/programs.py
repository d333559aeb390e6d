"""Runs other programs for the setup: quiet when they succeed, with their last lines when they don't."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.bootstrap.progress import SetupError

LAST_LINES = 25


def run(
    argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> str:
    """Returns what the program printed. `env` is added to the environment.

    Raises `SetupError` with the command and its last lines where it fails or isn't there.
    """
    shown = " ".join(str(word) for word in argv)
    try:
        result = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise SetupError(f"cannot run `{shown}`: {error.filename} is not there") from error
    output = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        tail = "\n".join("    " + line for line in output.splitlines()[-LAST_LINES:])
        raise SetupError(f"`{shown}` failed with exit code {result.returncode}; its last lines:\n{tail}")
    return output
