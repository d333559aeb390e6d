"""Where the time of a command went, for whoever asks with CODEXCTL_TIMINGS."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path


def record(environ: Mapping[str, str], command: str, began: float, code: int) -> None:
    """Append one JSON line: workflow run and job, command, exit code, when it ended, seconds on the clock, our own
    seconds on the processor.

    ``began`` is ``time.monotonic()`` at the start. The time of processes that we started is not ours. A file that
    cannot be written is no reason to fail.
    """
    used = os.times()
    line = {
        "run": environ.get("GITHUB_RUN_ID", ""),
        "job": environ.get("GITHUB_JOB", ""),
        "command": command,
        "code": code,
        "at": round(time.time(), 3),
        "wall": round(time.monotonic() - began, 3),
        "cpu": round(used.user + used.system, 3),
    }
    try:
        with Path(environ["CODEXCTL_TIMINGS"]).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError:
        pass
