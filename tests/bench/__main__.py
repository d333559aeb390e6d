"""``python -m tests.bench [NAME ...]``: run the benchmarks, print their table and write it to build/bench.json.

Each module ``tests.bench.bench_<name>`` has a function ``rows()`` that yields rows as it measures them. Inside the
sandbox only. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import tests.bench
from tests.bench.rows import Row, table, write_rows

FILE = Path("build/bench.json")


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all."""
    known = [
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(tests.bench.__path__)
        if module.name.startswith("bench_")
    ]
    unknown = set(names) - set(known)
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}\n")
        return 2
    rows: list[Row] = []
    for name in names or known:
        for row in importlib.import_module(f"tests.bench.bench_{name}").rows():
            sys.stderr.write(f"{name}: {row.name}: {row.measured:.3g} {row.unit}\n")
            rows.append(row)
            write_rows(FILE, rows)
    sys.stdout.write(table(rows) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
