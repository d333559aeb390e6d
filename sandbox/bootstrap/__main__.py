"""`python3 -m sandbox.bootstrap STEP`: what the Makefile calls before anything else can run."""

import argparse
import sys
from pathlib import Path

from sandbox.bootstrap.preflight import refuse_where_impossible
from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.bootstrap.virtualenv import ensure_virtualenv
from sandbox.bootstrap.workflows import lint_workflows


def main(argv: list[str]) -> int:
    """Runs one step; the exit code is 2 where this machine lacks something a person has to provide."""
    parser = argparse.ArgumentParser(prog="python3 -m sandbox.bootstrap", description=__doc__)
    parser.add_argument("step", choices=["preflight", "venv", "lint-workflows"])
    step = parser.parse_args(argv).step
    tree = Path(__file__).resolve().parents[2]
    progress = Progress()
    try:
        if step == "preflight":
            refuse_where_impossible()
            return 0
        home = ensure_virtualenv(tree, progress)
        if step == "lint-workflows":
            return lint_workflows(tree, home, progress)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
