"""What a request of Codex says: the prompt of this turn, and the tool calls made since."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Json = Any
# Codex puts texts of its own into user messages too; the prompt is the last that isn't one of these.
_CODEX_OWN = ("<environment_context>", "<user_instructions>", "<turn_aborted>", "# AGENTS.md instructions")
_EXITED = re.compile(r"^Process exited with code (-?\d+)$", re.MULTILINE)
_PATCHED = re.compile(r"Exit code: (-?\d+)$", re.MULTILINE)
_RUNNING = re.compile(r"^Process running with session ID (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Exchange:
    """One tool call and what came of it. `code` is None where the command still ran, in `session`."""

    name: str
    arguments: dict[str, Json]
    text: str
    code: int | None
    session: int | None


@dataclass(frozen=True)
class Turn:
    """One turn of a thread, as far as it has come."""

    prompt: str
    exchanges: tuple[Exchange, ...]
    earlier_prompts: tuple[str, ...]


def _message_text(item: Json) -> str:
    content = item.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def _result(output: Json) -> str:
    if isinstance(output, str):
        return output
    return "\n".join(part.get("text", "") for part in output or ())


def _exchange(call: Json, result: str) -> Exchange:
    head, mark, text = result.partition("Output:\n")
    if not mark:
        head, text = "", result
    if patched := _PATCHED.match(text):
        # Codex applies patches itself; such a result has a head of its own below the first.
        head, text = f"Process exited with code {patched[1]}", text.partition("Output:\n")[2]
    exited, running = _EXITED.search(head), _RUNNING.search(head)
    return Exchange(
        call.get("name", ""),
        json.loads(call.get("arguments") or "{}"),
        text,
        int(exited[1]) if exited else (None if running else 1),
        int(running[1]) if running else None,
    )


def read_turn(body: Json) -> Turn:
    """Read a request's `input`; a request without a prompt has an empty one."""
    items = body.get("input") or []
    if isinstance(items, str):
        return Turn(items, (), ())
    prompts = [
        (place, _message_text(item))
        for place, item in enumerate(items)
        if item.get("role") == "user" and not _message_text(item).lstrip().startswith(_CODEX_OWN)
    ]
    start, prompt = prompts[-1] if prompts else (-1, "")
    calls: dict[str, Json] = {}
    exchanges: list[Exchange] = []
    for item in items[start + 1 :]:
        if item.get("type") == "function_call":
            calls[item["call_id"]] = item
        elif item.get("type") == "function_call_output":
            call = calls.get(item["call_id"], {})
            exchanges.append(_exchange(call, _result(item["output"])))
    return Turn(prompt, tuple(exchanges), tuple(text for _, text in prompts[:-1]))
