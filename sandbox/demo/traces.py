"""What a sandbox could have left behind on the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def machine() -> frozenset[str]:
    """What a cluster would add to the machine's own network: interfaces and iptables rules."""
    found = {f"interface {link.name}" for link in Path("/sys/class/net").iterdir()}
    if shutil.which("iptables-save"):
        rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
        found |= {f"iptables rule {line}" for line in rules.splitlines() if line.startswith("-A")}
    return frozenset(found)


def traces(name: str, before: frozenset[str]) -> list[str]:
    """What of a sandbox of that name is still there: processes, mounts, and what its network added since ``before``."""
    found = sorted(machine() - before)
    mark = f"/run/{name}/"
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if mark in line:
            found.append(f"process {place.parent.name}: {line[:100]}")
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return found + [f"mount {line.split()[1]}" for line in mounts if mark in line]


def tell(left: list[str]) -> int:
    """Say what is left, or that nothing is; return the exit code that goes with it."""
    for trace in left:
        print(f"left behind: {trace}")
    if not left:
        print("nothing is left behind: no process, mount, interface or iptables rule")
    return 1 if left else 0
