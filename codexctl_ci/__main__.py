"""``python -m codexctl_ci`` and the console script."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # Loading libraries makes tens of thousands of objects that all stay: looking through them each 700 is in vain.
    gc.set_threshold(50_000, 20, 100)

    from codexctl_ci.cli.main import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
