"""Answers as the Responses API streams them: server-sent events."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from sandbox.model.playbooks import Answer, Broken, Command, Move

Json = dict[str, Any]


class Events:
    """Makes the events of one response. `number` makes ids that no other response of this server has."""

    def __init__(self, number: int, model: str, input_size: int) -> None:
        self._id = f"resp_{number:08d}"
        self._number = number
        self._model = model
        self._input_size = input_size
        self._sequence = itertools.count()
        self._items: list[Json] = []

    def of(self, move: Move) -> Iterator[bytes]:
        """Yield the events of a move, encoded. A broken one ends without its completion."""
        yield self._event("response.created", response=self._response("in_progress"))
        yield self._event("response.in_progress", response=self._response("in_progress"))
        match move:
            case Command(say=say):
                if say:
                    yield from self._message(say)
                yield from self._call(move)
            case Answer(text=text):
                yield from self._message(text)
            case Broken(how="fail"):
                error = {"code": "server_error", "message": "The sandbox's model was told to fail."}
                failed = self._response("failed") | {"error": error}
                yield self._event("response.failed", response=failed)
                return
            case Broken():
                yield from self._half_message("I am about to")
                return
        yield self._event("response.completed", response=self._response("completed"))

    def _response(self, status: str) -> Json:
        output = len(json.dumps(self._items)) // 4
        usage = {
            "input_tokens": self._input_size // 4,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._input_size // 4 + output,
        }
        return {
            "id": self._id,
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "model": self._model,
            "output": self._items,
            "error": None,
            "usage": usage if status == "completed" else None,
        }

    def _event(self, kind: str, **content: Any) -> bytes:
        data = {"type": kind, "sequence_number": next(self._sequence), **content}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    def _half_message(self, text: str) -> Iterator[bytes]:
        place = len(self._items)
        item = f"msg_{self._number:08d}_{place}"
        empty = {"type": "message", "id": item, "role": "assistant", "status": "in_progress", "content": []}
        part = {"type": "output_text", "text": "", "annotations": []}
        where: Json = {"item_id": item, "output_index": place, "content_index": 0}
        yield self._event("response.output_item.added", output_index=place, item=empty)
        yield self._event("response.content_part.added", **where, part=part)
        yield self._event("response.output_text.delta", **where, delta=text)

    def _message(self, text: str) -> Iterator[bytes]:
        place = len(self._items)
        yield from self._half_message(text)
        item = f"msg_{self._number:08d}_{place}"
        part = {"type": "output_text", "text": text, "annotations": []}
        where: Json = {"item_id": item, "output_index": place, "content_index": 0}
        done = {"type": "message", "id": item, "role": "assistant", "status": "completed", "content": [part]}
        yield self._event("response.output_text.done", **where, text=text)
        yield self._event("response.content_part.done", **where, part=part)
        self._items.append(done)
        yield self._event("response.output_item.done", output_index=place, item=done)

    def _call(self, command: Command) -> Iterator[bytes]:
        place = len(self._items)
        call = {
            "type": "function_call",
            "id": f"fc_{self._number:08d}_{place}",
            "call_id": f"call_{self._number:08d}_{place}",
            "name": command.name,
            "arguments": json.dumps(command.arguments),
            "status": "completed",
        }
        begun = call | {"arguments": "", "status": "in_progress"}
        where: Json = {"item_id": call["id"], "output_index": place}
        yield self._event("response.output_item.added", output_index=place, item=begun)
        yield self._event("response.function_call_arguments.delta", **where, delta=call["arguments"])
        yield self._event("response.function_call_arguments.done", **where, arguments=call["arguments"])
        self._items.append(call)
        yield self._event("response.output_item.done", output_index=place, item=call)
