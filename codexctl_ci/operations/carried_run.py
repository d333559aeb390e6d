"""An agent's run away from the slot: the sources are brought there before, and its work into the slot afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from codexctl_ci.errors import CodexctlError
from codexctl_ci.ports import AgentEnding, AgentRequest, AgentRuntime

log = logging.getLogger(__name__)


class WorkingCopy(Protocol):
    """A copy of the slot's sources where the agent works."""

    def fetch(self) -> None:
        """Make the copy what the slot holds; work that never came into the slot stays in it."""

    def hand_over(self) -> None:
        """Make the slot what the copy holds."""

    def forget(self) -> None:
        """The copy holds nothing that anybody needs."""


@dataclass(frozen=True)
class CarriedRun:
    """An ``AgentRuntime`` over another one. ``change_is_kept`` is False for runs whose files are thrown away."""

    runtime: AgentRuntime
    copy: WorkingCopy
    change_is_kept: bool = True

    def knows_thread(self, thread_id: str) -> bool:
        """Whether the thread can be resumed there."""
        return self.runtime.knows_thread(thread_id)

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        """Run to the end. However it ends, also by an interrupt, the work comes into the slot."""
        try:
            self.copy.fetch()
        except CodexctlError as error:
            return AgentEnding("infra_error", f"the slot's sources did not come to the runner: {error}", stopped=True)
        try:
            ending = self.runtime.run(request, on_thread)
        except BaseException:
            if problem := self._settle():
                log.error("%s", problem)
            raise
        if problem := self._settle():
            return replace(ending, conclusion="infra_error", reason=problem)
        return ending

    def _settle(self) -> str:
        """Why the work is not in the slot; empty where it is, or is not wanted there."""
        if not self.change_is_kept:
            self.copy.forget()
            return ""
        try:
            self.copy.hand_over()
        except CodexctlError as error:
            return f"the agent's work did not come into the slot and is still on the runner: {error}"
        return ""
