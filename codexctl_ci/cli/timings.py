"""Where the time of a command went, for whoever asks with CODEXCTL_TIMINGS."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


def record(file: str, command: str, began: float, code: int) -> None:
    """Append one JSON line: command, exit code, when it ended, seconds on the clock, our own seconds on the processor.

    ``began`` is ``time.monotonic()`` at the start. The time of processes that we started is not ours. A file that
    cannot be written is no reason to fail.
    """
    used = os.times()
    line = {
        "command": command,
        "code": code,
        "at": round(time.time(), 3),
        "wall": round(time.monotonic() - began, 3),
        "cpu": round(used.user + used.system, 3),
    }
    try:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError:
        pass
