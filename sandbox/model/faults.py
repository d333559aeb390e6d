"""Faults of the model on demand."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Fault:
    """One rule: lets `after` requests whose prompt has `prompt` in it pass, then acts on `times` of them.

    `status` answers with `status` (and Retry-After, where `seconds` is set), `cut` breaks the stream off in the
    middle, `hang` never ends it, `fail` reports a failed response, `delay` waits `seconds` and goes on.
    """

    kind: Literal["status", "cut", "hang", "fail", "delay"]
    prompt: str = ""
    status: int = 500
    seconds: float = 0
    times: int = 1
    after: int = 0


@dataclass
class Faults:
    """The rules in force."""

    rules: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, prompt: str) -> Fault | None:
        """Return the fault that a request with this prompt meets, and count it."""
        with self._lock:
            for rule in self.rules:
                if rule.times > 0 and re.search(rule.prompt, prompt):
                    if rule.after > 0:
                        rule.after -= 1
                        continue
                    rule.times -= 1
                    return rule
        return None
