"""Faults on demand: rate limits, server errors, broken connections, answers that get lost."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["status", "secondary_limit", "primary_limit", "reset", "lost", "delay"]


@dataclass
class Fault:
    """One rule. It lets `after` matching requests pass, then acts on `times` of them.

    `secondary_limit` (403, or 429 where `status` says so) and `primary_limit` answer as GitHub's two limits do, `reset`
    breaks the connection before anything was done, `lost` after it was done, `delay` waits `seconds` first.
    """

    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    login: str = ".*"
    status: int = 500
    seconds: float = 1
    times: int = 1
    after: int = 0

    def matches(self, method: str, path: str, login: str) -> bool:
        """Say whether a request is meant."""
        pairs = ((self.method, method), (self.path, path), (self.login, login))
        return all(re.fullmatch(pattern, value) for pattern, value in pairs)


@dataclass
class Faults:
    """The rules in force, first match first."""

    rules: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, path: str, login: str) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        with self._lock:
            for rule in self.rules:
                if rule.times > 0 and rule.matches(method, path, login):
                    if rule.after > 0:
                        rule.after -= 1
                        continue
                    rule.times -= 1
                    return rule
        return None
