"""How long something has stood still, on one observer's own clock.

Another machine's clock says nothing about when its owner died. What an observer can know is how long a record has
not changed before its own eyes, on a clock that can't be set and that counts the time the machine slept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from codexctl_ci.slots.records import Lock


@dataclass
class Stillness:
    """Remembers for each name the mark seen last and when it was seen first. ``at`` is seconds on a steady clock."""

    seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def observe(self, name: str, mark: str, at: float) -> None:
        """Note that ``name`` shows ``mark`` at ``at``."""
        if self.seen.get(name, ("", 0.0))[0] != mark:
            self.seen[name] = (mark, at)

    def forget(self, name: str) -> None:
        self.seen.pop(name, None)

    def still_for(self, name: str, at: float) -> timedelta:
        """How long ``name`` has not changed; nothing where it was never seen."""
        mark = self.seen.get(name)
        return timedelta(seconds=max(0.0, at - mark[1])) if mark else timedelta()

    def observe_lock(self, name: str, lock: Lock | None, at: float) -> None:
        """Note the lock on ``name`` as it is now."""
        if lock is None:
            self.forget(name)
        else:
            self.observe(name, f"{lock.by}:{lock.beat}", at)

    def lock_is_over(self, name: str, lock: Lock | None, at: float) -> bool:
        """Whether nobody has the lock, or its owner has not renewed it for its whole duration, as seen from here."""
        return lock is None or self.still_for(name, at) >= timedelta(seconds=lock.seconds)
