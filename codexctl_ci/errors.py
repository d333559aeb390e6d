"""The one small tree of errors: each says what failed, on which object, why, and what to do next.

The exit code belongs to the class, so that no command can choose another one for the same failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class CodexctlError(Exception):
    """Something failed; the message says what, on which object, why, and what to do next.

    ``str()`` is the whole message, in one or more lines. ``what`` names the failed action, ``obj`` the object
    (``Deployment/api in shop-dev-3``), ``reason`` the cause as the other side gave it, ``hint`` the next step for the
    person who reads it. None of them may hold a secret.
    """

    exit_code: ClassVar[int] = 1
    conclusion: ClassVar[str] = "infra_error"

    def __init__(self, what: str, *, obj: str = "", reason: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.obj = obj
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = self.what
        if self.obj and self.obj not in text:
            text = f"{self.obj}: {text}"
        if self.reason:
            text += f": {self.reason}"
        if self.hint:
            text += f"\n  next: {self.hint}"
        return text


class ConfigError(CodexctlError):
    """What a person wrote is wrong: an option, services.yaml, a template. Nothing was changed."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", obj: str = "", reason: str = "", hint: str = "") -> None:
        super().__init__(what, obj=obj, reason=reason, hint=hint)
        self.where = where

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.where}: {text}" if self.where else text


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in a file: ``line`` and ``column`` count from 1, 0 where unknown."""

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join([self.file or "services.yaml", *(str(n) for n in (self.line, self.column) if n)])
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class InvalidStack(ConfigError):
    """services.yaml or a manifest has one or more faults, all of them listed."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


class NoFreeSlot(CodexctlError):
    """No slot became free in the time given; the message lists who holds what."""

    exit_code = 4


class NotReady(CodexctlError):
    """The stack is not ready: fatal, or not in the time given."""

    exit_code = 5


class BlockedByGuardrail(CodexctlError):
    """A rule forbids it: an actor without rights, a protected path, a secret in a patch."""

    exit_code = 6
    conclusion = "blocked"


class AgentFailed(CodexctlError):
    """The agent ended badly."""

    exit_code = 7
    conclusion = "agent_error"


class AgentTimeout(AgentFailed):
    """The agent's time was over; its work is kept."""

    conclusion = "timeout"


class SlotMoved(CodexctlError):
    """The slot has another owner, or a newer epoch, than this run was given: it must not write there."""


class TransportError(CodexctlError):
    """A neighbour (API server, registry, GitHub) did not answer or answered with a passing fault."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a refused request: its machine-readable ``kind``, the ``field`` it is about, words for people."""

    kind: str
    field: str
    message: str


class ApiError(TransportError):
    """An answer of an API other than success. ``status`` is the HTTP status, ``kind`` the machine-readable reason.

    A decision is made by these two and the ``causes`` alone, never by the text. ``status`` 0: no answer at all.
    ``ambiguous``: this or an earlier try of the same request may have gone through all the same.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int,
        kind: str = "",
        obj: str = "",
        reason: str = "",
        hint: str = "",
        causes: tuple[Cause, ...] = (),
        ambiguous: bool = False,
    ) -> None:
        super().__init__(what, obj=obj, reason=reason, hint=hint)
        self.status = status
        self.kind = kind
        self.causes = causes
        self.ambiguous = ambiguous

    @property
    def conflict(self) -> bool:
        """Somebody else changed the object first, or it exists already."""
        return self.status == 409

    @property
    def passing(self) -> bool:
        """Whether the same request may go through later: no answer, throttled, or a fault of the server."""
        return self.status in (0, 408, 429) or self.status >= 500
