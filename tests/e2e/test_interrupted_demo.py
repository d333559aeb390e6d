"""Ctrl-C in the middle of the demo, and of one that was to stay."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.keeper import homes
from sandbox.lifecycle import find
from sandbox.state import State
from tests.support.signals import heed_interrupts

TREE = Path(__file__).resolve().parents[2]
IN_THE_MIDDLE = "issue labelled [ai-dev]"
# What the demo leaves behind is looked for on the whole machine: on one where nobody else comes and goes.
ALONE = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [[], ["--keep"]], ids=["demo", "KEEP=1"])
def test_interrupted_demo_ends_with_130_and_leaves_nothing(sandbox: State, options: list[str]) -> None:
    argv = [*ALONE, sys.executable, "-u", "-m", "sandbox.demo", *options]
    demo = subprocess.Popen(
        argv,
        cwd=TREE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        preexec_fn=heed_interrupts,
    )
    assert demo.stdout
    said = ""
    for line in demo.stdout:
        said += line
        if IN_THE_MIDDLE in line:
            # As the terminal does it: to everybody in the foreground.
            os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait() == 130, said
    (name,) = set(re.findall(r"starting sandbox (demo-\d+)", said))
    assert not find(name) and not (homes() / name).exists()
    assert "nothing is left behind" in said, said
    # Nothing of the demo's own text claims that it was well or is still there.
    assert "It is still running" not in said
    assert "success" not in said
