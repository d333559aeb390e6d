"""The agent: one run of it, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One run of the agent.

    ``key`` names the run (letters, digits, ``.``, ``_``, ``-``): a second request with the same key joins the run that
    is going on. ``resume`` is a thread id, empty for a new thread. ``pass_through`` names the variables of the place
    where the agent runs that its configuration refers to. ``max_tokens``: end it when it has read and written as many
    (0: no limit).
    """

    key: str
    prompt: str
    config_toml: str
    total_timeout: timedelta
    idle_timeout: timedelta
    resume: str = ""
    pass_through: tuple[str, ...] = ()
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class AgentEnding:
    """How the agent's process ended, before anybody looked at what it changed.

    ``conclusion`` is ``ended`` (it finished its turn), ``agent_error``, ``infra_error`` or ``timeout``; ``reason`` says
    why for all but the first. ``stopped`` is False where the process may still be alive. ``tree_changed``: files in the
    working copy differ from those at the start of the run, ignored ones left out.
    """

    conclusion: str
    reason: str = ""
    thread_id: str = ""
    final_message: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    last_log_lines: tuple[str, ...] = ()
    joined: bool = False
    stopped: bool = True
    tree_changed: bool = False


class AgentRuntime(Protocol):
    """A place where the agent runs: the slot's pod, or the runner."""

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        """Run to the end, or join. ``on_thread`` is called once, as soon as the thread's id is known.

        An interrupt of the caller ends the agent's process tree and is raised on.
        """

    def knows_thread(self, thread_id: str) -> bool:
        """Whether the thread can be resumed there."""
