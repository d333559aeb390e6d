"""Events as lines of the log. Text of the agent can neither become a command of the runner nor move the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codexctl_ci.codex.events import Event, Noise

WIDTH = 300
_LINES = 12
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_BREAKS = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


def plain_lines(text: str, *, most: int = _LINES, width: int = WIDTH) -> Iterator[str]:
    """``text`` as at most ``most`` lines of printable characters, none of which a runner takes for a command."""
    lines = [line for line in _BREAKS.split(text) if line.strip()]
    for line in (line[: 4 * width] for line in lines[:most]):
        line = "".join(filter(str.isprintable, _ANSI.sub("", line).replace("\t", "    "))).rstrip()
        # "##[…]" counts anywhere in a line, "::…" at its start only, and ours start with a prefix.
        line = line.replace("##[", "# #[")
        yield line if len(line) <= width else line[: width - 1] + "…"
    if len(lines) > most:
        yield f"… {len(lines) - most} more lines"


def describe(event: Event | Noise) -> list[str]:
    """Lines for the log, each with the prefix ``agent``; empty where there is nothing to say."""
    return [f"agent {line}" for line in _lines(event)]


def _lines(event: Event | Noise) -> Iterator[str]:
    if isinstance(event, Noise):
        yield from _marked("?", event.text, 2)
        return
    match event.type:
        case "thread.started":
            yield from _marked("|", f"thread {event.text('thread_id')}", 1)
        case "turn.failed":
            yield from _marked("!", event.text("error", "message"), 5)
        case "error":
            yield from _marked("!", event.text("message"), 5)
        case "item.started" if event.item.get("type") == "command_execution":
            yield from _marked("$", event.text("item", "command"), 6)
        case "item.completed":
            yield from _item(event)
        case _:
            pass


def _item(event: Event) -> Iterator[str]:
    item = event.item
    match item.get("type"):
        case "command_execution":
            code = item.get("exit_code")
            if code != 0:
                yield from _marked(f"= exit {code}:" if isinstance(code, int) else "=", _tail(event), 4)
        case "agent_message":
            yield from _marked(">", event.text("item", "text"), _LINES)
        case "file_change":
            changes = item.get("changes")
            for change in changes[:20] if isinstance(changes, list) else []:
                if isinstance(change, dict):
                    yield from _marked("~", f"{change.get('kind', 'changed')} {change.get('path', '')}", 1)
        case "mcp_tool_call":
            yield from _marked("@", f"{item.get('server', '')}.{item.get('tool', '')} {item.get('status', '')}", 1)
        case "web_search":
            yield from _marked("@", f"web search: {event.text('item', 'query')}", 1)
        case "error":
            yield from _marked("!", event.text("item", "message"), 3)
        case _:
            pass


def _tail(event: Event) -> str:
    return "\n".join(event.text("item", "aggregated_output").rstrip().splitlines()[-4:])


def _marked(mark: str, text: str, most: int) -> Iterator[str]:
    for line in plain_lines(text, most=most):
        yield f"{mark} {line}"
