"""What can be said of one object."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from codexctl_ci.stack.objects import Ref


class State(StrEnum):
    """``failed`` ends a wait at once; ``progressing`` and ``terminating`` may still become ready."""

    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class Verdict:
    """State of an object and why.

    ``reason`` is one word as the API writes it, ``message`` a sentence for people. Where one pod explains it,
    ``pod`` names it and ``container`` its container; ``crashed`` says that the log worth reading may be that of the
    container's previous run.
    """

    state: State
    reason: str = ""
    message: str = ""
    pod: Ref | None = None
    container: str = ""
    crashed: bool = False

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    @property
    def fatal(self) -> bool:
        """Waiting longer cannot help."""
        return self.state is State.FAILED

    def __str__(self) -> str:
        if self.ready and not self.reason:
            return "ready"
        return ": ".join(part for part in (self.reason or str(self.state), self.message) if part)


def ready(reason: str = "", message: str = "") -> Verdict:
    """Nothing more to wait for."""
    return Verdict(State.READY, reason, message)


def progressing(reason: str, message: str = "") -> Verdict:
    """Not yet."""
    return Verdict(State.PROGRESSING, reason, message)


def failed(reason: str, message: str = "") -> Verdict:
    """Never, unless somebody changes something."""
    return Verdict(State.FAILED, reason, message)
