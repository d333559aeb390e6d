"""What a benchmark says: rows for the table and for build/bench.json."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One measurement. ``limit`` is the least that is possible (docs/performance.md says why), ``goal`` the most that
    is allowed, both in ``unit``."""

    name: str
    measured: float
    limit: float
    goal: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it is as good as it has to be."""
        return self.measured <= self.goal


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """Put ``rows`` into ``file``; rows of other names that are there stay."""
    known = {row["name"]: row for row in json.loads(file.read_text())} if file.exists() else {}
    known |= {row.name: asdict(row) | {"met": row.met} for row in rows}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(list(known.values()), indent=1) + "\n")


def table(rows: Sequence[Row]) -> str:
    """The rows for people."""
    lines = [("what", "measured", "limit", "goal", "unit", "met")]
    lines += [
        (row.name, f"{row.measured:.3g}", f"{row.limit:.3g}", f"{row.goal:.3g}", row.unit, "yes" if row.met else "NO")
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)


@dataclass(frozen=True)
class Run:
    """One run of a program: seconds from start to end, and the most memory it held, in MB."""

    seconds: float
    megabytes: float


def run(argv: Sequence[str], environ: Mapping[str, str], *, stdin: bytes = b"", cwd: Path | None = None) -> Run:
    """Run a program to its end and measure it. Raises RuntimeError with its output where it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        list(argv), env=dict(environ), cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        assert child.stdin and child.stdout
        child.stdin.write(stdin)
        child.stdin.close()
        said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if child.returncode != 0:
        raise RuntimeError(f"{argv[0]} exited with {child.returncode}: {said.decode('utf-8', 'replace')[-2000:]}")
    return Run(seconds, usage.ru_maxrss / 1024)


def alternating(times: int, **programs: Callable[[], float]) -> dict[str, float]:
    """The median of each program's measurements, taken in turns, so that a noisy moment hits all alike."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(times):
        for name, program in programs.items():
            found[name].append(program())
    return {name: statistics.median(values) for name, values in found.items()}
