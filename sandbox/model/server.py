"""The model's HTTP server: `/v1/responses`, `/v1/models`, and the sandbox's own doors."""

from __future__ import annotations

import itertools
import json
import secrets
import socket
import struct
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.model.faults import Fault, Faults
from sandbox.model.playbooks import Broken, Playbook, next_move
from sandbox.model.stream import Events
from sandbox.model.transcript import read_turn

Json = Any
KEEP = 500


class ModelServer(ThreadingHTTPServer):
    """A running model. `url` is its address; clients use `url + "/v1"` and one of the keys."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: str, port: int, keys: Sequence[str], playbooks: Sequence[Playbook], url: str | None = None
    ) -> None:
        super().__init__((address, port), _Handler)
        self.url = url or f"http://{address}:{self.server_address[1]}"
        self.keys = tuple(keys)
        self.playbooks = tuple(playbooks)
        self.control_token = secrets.token_hex(16)
        self.faults = Faults()
        self.requests: list[Json] = []
        self.numbers = itertools.count(1)
        self.stopping = threading.Event()

    def run_in_thread(self) -> ModelServer:
        """Serve in the background."""
        threading.Thread(target=lambda: self.serve_forever(0.02), daemon=True, name="model").start()
        return self

    def shutdown(self) -> None:
        """Stop, streams that never end too."""
        self.stopping.set()
        super().shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """List models, or look at what was asked."""
        if self.path.startswith("/_sandbox/"):
            self._control({})
        elif not self._authorised():
            return
        elif self.path.split("?")[0] == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": "sandbox", "object": "model"}]})
        else:
            self._send(404, error("not found", "invalid_request_error"))

    def do_POST(self) -> None:
        """Answer a request for a response."""
        body = json.loads(self._body() or b"{}")
        if self.path.startswith("/_sandbox/"):
            self._control(body)
        elif not self._authorised():
            return
        elif self.path.split("?")[0] != "/v1/responses":
            self._send(404, error("not found", "invalid_request_error"))
        elif not body.get("stream"):
            self._send(400, error("the sandbox's model only streams", "invalid_request_error"))
        else:
            self._respond(body)

    def do_DELETE(self) -> None:
        """Drop faults."""
        self._control({})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _respond(self, body: Json) -> None:
        server, turn = self.server, read_turn(body)
        name, move = next_move(server.playbooks, turn)
        fault = server.faults.take(turn.prompt)
        self._record(body, turn.prompt, name, len(turn.exchanges), repr(fault.kind) if fault else type(move).__name__)
        if fault and fault.kind == "status":
            self._send_fault(fault)
            return
        if fault and fault.kind == "delay":
            server.stopping.wait(fault.seconds)
        elif fault and fault.kind in {"cut", "hang", "fail"}:
            move = Broken(fault.kind)
        events = Events(next(server.numbers), str(body.get("model")), len(json.dumps(body)))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events.of(move):
                self._chunk(event)
            if isinstance(move, Broken) and move.how == "hang":
                self._hang()
            if isinstance(move, Broken) and move.how in {"hang", "cut"}:
                self._break_off()
                return
            self._chunk(b"")
        except OSError:
            self.close_connection = True

    def _hang(self) -> None:
        # Comments keep the connection alive while nothing comes, until the other side gives up.
        while not self.server.stopping.wait(1):
            self._chunk(b": waiting\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _break_off(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        """End the connection; one that was broken off has nothing to flush."""
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def _record(self, body: Json, prompt: str, playbook: str, step: int, move: str) -> None:
        kept = {key: value for key, value in body.items() if key in {"model", "reasoning", "input"}}
        entry = {
            "time": time.time(),
            "thread": self.headers.get("thread-id", ""),
            "prompt": prompt,
            "playbook": playbook,
            "step": step,
            "move": move,
            "tools": [item.get("name") or item.get("type") for item in body.get("tools") or ()],
            **kept,
        }
        self.server.requests.append(entry)
        del self.server.requests[:-KEEP]

    def _authorised(self) -> bool:
        kind, _, key = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer" and any(secrets.compare_digest(key, known) for known in self.server.keys):
            return True
        self._send(401, error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))
        return False

    def _send_fault(self, fault: Fault) -> None:
        headers = {"Retry-After": str(int(fault.seconds))} if fault.seconds else {}
        limited = fault.status == 429
        kind, code = ("requests", "rate_limit_exceeded") if limited else ("server_error", "server_error")
        self._send(fault.status, error("The sandbox's model was told to answer so.", kind, code), headers)

    def _control(self, body: Json) -> None:
        given = self.headers.get("Authorization", "").partition(" ")[2]
        if not secrets.compare_digest(given, self.server.control_token):
            self._send(401, error("the control token is missing or wrong", "sandbox"))
            return
        door = (self.command, self.path.removeprefix("/_sandbox/"))
        if door == ("POST", "faults"):
            self.server.faults.rules.append(Fault(**body))
            self._send(200, None)
        elif door == ("DELETE", "faults"):
            self.server.faults.rules.clear()
            self._send(200, None)
        elif door == ("GET", "requests"):
            self._send(200, self.server.requests)
        else:
            self._send(404, error("no such door", "sandbox"))

    def _send(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: requests can be read at the control door."""


def error(message: str, kind: str, code: str | None = None) -> Json:
    """Return an error in the API's shape."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
