"""Signals for programs that a test starts."""

from __future__ import annotations

import signal


def heed_interrupts() -> None:
    """For ``preexec_fn``: the program minds SIGINT, though whoever runs the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
