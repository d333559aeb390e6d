"""Codex's event stream: one JSON object a line, parsed as foreign input, and what a run looks like so far.

Lines are bounded; a line that is no event is kept as text for the log and decides nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LINE_LIMIT = 4 * 1024 * 1024
TEXT_LIMIT = 200_000

_THREAD_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def is_thread_id(text: str) -> bool:
    """Whether ``text`` is the id of a thread (a UUID): all else that claims to be one is not used anywhere."""
    return bool(_THREAD_ID.match(text))


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``type`` is Codex's (``item.completed``); ``data`` the whole object."""

    type: str
    data: dict[str, Any]

    @property
    def item(self) -> dict[str, Any]:
        """The item of an ``item.*`` event, else empty."""
        item = self.data.get("item")
        return item if isinstance(item, dict) else {}

    def text(self, *path: str) -> str:
        """A string somewhere inside, empty where there is none."""
        here: Any = self.data
        for name in path:
            here = here.get(name) if isinstance(here, dict) else None
        # JSON can hold half a character, which no stream would take.
        return here[:TEXT_LIMIT].encode("utf-8", "replace").decode("utf-8") if isinstance(here, str) else ""


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is no event."""

    text: str


class EventReader:
    """Puts pieces of a stream together to lines. Lines beyond LINE_LIMIT bytes become noise."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[Event | Noise]:
        """What ``piece`` completes."""
        self._rest += piece
        while True:
            end = self._rest.find(b"\n")
            if end < 0:
                break
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if self._skipping:
                self._skipping = False
            elif line.strip():
                yield parse_line(line)
        if len(self._rest) > LINE_LIMIT:
            self._rest.clear()
            if not self._skipping:
                self._skipping = True
                yield Noise(f"[a line of more than {LINE_LIMIT} bytes is left out]")

    def close(self) -> Iterator[Event | Noise]:
        """A last line without its end."""
        line, self._rest = bytes(self._rest), bytearray()
        if line.strip() and not self._skipping:
            yield parse_line(line)


def parse_line(line: bytes) -> Event | Noise:
    """One line as an event, or as noise where it is none. Never raises."""
    text = line[:LINE_LIMIT].decode("utf-8", "replace").strip()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Noise(text[:2000])
    if isinstance(data, dict) and isinstance(data.get("type"), str):
        return Event(data["type"], data)
    return Noise(text[:2000])


@dataclass(slots=True)
class RunView:
    """What the events tell of a run. Token counts are those of the whole thread, as Codex gives them."""

    thread_id: str = ""
    final_message: str = ""
    completed: bool = False
    failed: str = ""
    last_error: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    items: int = 0

    def take(self, event: Event) -> None:
        """Go on by one event."""
        match event.type:
            case "thread.started":
                if is_thread_id(event.text("thread_id")):
                    self.thread_id = self.thread_id or event.text("thread_id")
            case "turn.started":
                self.completed, self.failed = False, ""
            case "turn.completed":
                self.completed, self.failed = True, ""
                self.input_tokens = _count(event, "input_tokens")
                self.cached_input_tokens = _count(event, "cached_input_tokens")
                self.output_tokens = _count(event, "output_tokens")
            case "turn.failed":
                self.completed = False
                self.failed = event.text("error", "message") or "the turn failed and no reason was given"
            case "error":
                self.last_error = event.text("message")
            case "item.completed":
                self.items += 1
                if event.item.get("type") == "agent_message":
                    self.final_message = event.text("item", "text")
            case _:
                pass


def _count(event: Event, name: str) -> int:
    usage = event.data.get("usage")
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else 0
