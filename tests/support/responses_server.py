"""A very small server of the Responses API with a script: enough to drive the real Codex through one case.

Each request is answered by the next step; the last one stays. A step is a list of output items, a Fault, or a
function of the request's body that gives either.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Item: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """An HTTP answer that is no success."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """No answer until the server is closed."""


@dataclass(frozen=True)
class Garbage:
    """A stream that holds just these bytes."""

    data: bytes


Step: TypeAlias = "Sequence[Item] | Fault | Hang | Garbage | Callable[[dict[str, Any]], Sequence[Item] | Fault]"


def say(text: str) -> Item:
    """An assistant's message."""
    return {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "content": [{"type": "output_text", "text": text}],
    }


def execute(command: str, call_id: str = "call_1", tool: str = "exec_command") -> Item:
    """A call of the tool that runs a shell command."""
    return {"type": "function_call", "name": tool, "call_id": call_id, "arguments": json.dumps({"cmd": command})}


@dataclass
class Model:
    """A running server. ``requests`` holds the bodies it was sent, ``arrived`` is set by each."""

    port: int
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def provider_toml(self, host: str = "127.0.0.1", retries: int = 1) -> str:
        """Configuration that sends Codex here."""
        return (
            'model = "scripted"\nmodel_provider = "scripted"\n\n[model_providers.scripted]\nname = "scripted"\n'
            f'base_url = "http://{host}:{self.port}/v1"\nwire_api = "responses"\n'
            f"request_max_retries = {retries}\nstream_max_retries = {retries}\n"
        )

    def prompt_of(self, index: int = 0) -> str:
        """All text that the user's side said in a request."""
        found = []
        for item in self.requests[index]["input"]:
            if item.get("role") == "user":
                found += [part.get("text", "") for part in item["content"]]
        return "\n".join(found)


@contextmanager
def serve(steps: Sequence[Step], host: str = "127.0.0.1") -> Iterator[Model]:
    """Serve ``steps`` on a free port until the block ends."""
    lock = threading.Lock()
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._plain(404, {"error": {"message": "no such thing here"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(model.requests)
                model.requests.append(body)
                model.headers.append(dict(self.headers))
                model.arrived.set()
            step = steps[min(number, len(steps) - 1)]
            if isinstance(step, Hang):
                closing.wait()
                self.close_connection = True
                return
            if isinstance(step, Garbage):
                self._bytes(step.data)
                return
            answer = step(body) if callable(step) else step
            if isinstance(answer, Fault):
                self._plain(answer.status, {"error": {"message": answer.message, "type": "fault"}}, answer.headers)
                return
            assert not isinstance(answer, Hang | Garbage)
            self._stream(number, answer)

        def _plain(self, status: int, body: Item, headers: dict[str, str] | None = None) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, number: int, items: Sequence[Item]) -> None:
            identity = f"resp_{number}"
            usage = {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 40},
                "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 120,
            }
            events: list[Item] = [{"type": "response.created", "response": {"id": identity}}]
            events += [
                {"type": "response.output_item.done", "output_index": i, "item": item} for i, item in enumerate(items)
            ]
            events.append(
                {"type": "response.completed", "response": {"id": identity, "usage": usage, "output": list(items)}}
            )
            self._bytes("".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode())

        def _bytes(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    model = Model(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
