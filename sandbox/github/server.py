"""The HTTP server: one address for the API (`/api/v3`, `/api/graphql`), git and the sandbox's own doors."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.github import apps_api, issues_api, pulls_api, repos_api
from sandbox.github.api import PREFIX, Answer, RestApi
from sandbox.github.apps_jwt import verified_app
from sandbox.github.contract.checks import rest_contract
from sandbox.github.control import Control
from sandbox.github.errors import ApiError
from sandbox.github.faults import Fault, Faults
from sandbox.github.git_http import answer_git, is_git, password
from sandbox.github.graphql_api import answer_graphql
from sandbox.github.host import Host
from sandbox.github.state import State, Token, timestamp

LIMIT = 5000


class GitHubServer(ThreadingHTTPServer):
    """A running imitation. `url` is its address; `control_token` opens `/_sandbox/`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str, port: int, folder: Path, url: str | None = None) -> None:
        super().__init__((address, port), _Handler)
        self.url = url or f"http://{address}:{self.server_address[1]}"
        self.control_token = secrets.token_hex(16)
        self.host = Host(State(), folder / "repositories", self.url, rest_contract())
        self.faults = Faults()
        self.control = Control(self.host, self.faults)
        tables = [module.ROUTES for module in (repos_api, issues_api, pulls_api, apps_api)]
        self.rest = RestApi(self.host, tables)
        self.used: dict[str, int] = {}
        self.host.outbox.start()

    def token(self, value: str) -> Token | None:
        """Return the token of a request; a wrong one raises 401, none is None."""
        if not value:
            return None
        found = self.host.state.tokens.get(value)
        if found and not found.revoked and (found.expires_at is None or found.expires_at > timestamp()):
            return found
        app = verified_app(value, list(self.host.state.apps.values()))
        if app is not None:
            return Token(value, str(app.id), "app", {})
        raise ApiError(401, "Bad credentials")

    def run_in_thread(self) -> GitHubServer:
        """Serve in the background."""
        threading.Thread(target=lambda: self.serve_forever(0.02), daemon=True, name="github").start()
        return self


class _Handler(BaseHTTPRequestHandler):
    server: GitHubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path, body = parts.path, self._body()
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if path.startswith("/_sandbox/"):
            self._serve_control(path.removeprefix("/_sandbox/"), body)
            return
        try:
            token = self.server.token(password(self.headers.get("Authorization", "")))
        except ApiError as error:
            headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if is_git(path) else {}
            self._log(401, "")
            self._send_json(error.status, error.body(), headers)
            return
        login = token.login if token else ""
        fault = self.server.faults.take(self.command, path, login)
        if fault and fault.kind == "delay":
            time.sleep(fault.seconds)
        elif fault and fault.kind == "reset":
            self._break_off()
            return
        elif fault and fault.kind != "lost":
            self._send_fault(fault)
            return
        try:
            status, headers, data = self._answer(path, query, parts.query, body, token)
        except (AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as reason:
            # A fault of the imitation's own; tests that look for violations find it.
            text = f"{self.command} {path}: {type(reason).__name__}: {reason}"
            self.server.host.violations.append(text)
            status, headers, data = 500, {"Content-Type": "application/json"}, json.dumps({"message": text}).encode()
        self._log(status, login)
        if fault and fault.kind == "lost":
            self._break_off()
            return
        self._send(status, headers, data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _answer(
        self, path: str, query: dict[str, str], raw_query: str, body: bytes, token: Token | None
    ) -> tuple[int, dict[str, str], bytes]:
        server = self.server
        if is_git(path):
            done = answer_git(server.host, self.command, path, raw_query, dict(self.headers.items()), body, token)
            return done.status, done.headers, done.body
        headers: dict[str, str] = {}
        with server.host.state.lock:
            if path == "/api/graphql":
                answer = answer_graphql(server.host, json.loads(body or b"{}"), token)
            elif path.startswith(PREFIX + "/"):
                target = path.removeprefix(PREFIX)
                answer, headers = server.rest.answer(self.command, target, query, body, token)
            else:
                answer = Answer(404, {"message": "Not Found"})
            headers |= self._limits(token)
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        return answer.status, {"Content-Type": "application/json; charset=utf-8", **headers}, data

    def _limits(self, token: Token | None, exhausted: bool = False, reset: float = 3600) -> dict[str, str]:
        key = token.value if token else ""
        used = self.server.used[key] = self.server.used.get(key, 0) + 1
        return {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Remaining": "0" if exhausted else str(max(LIMIT - used, 1)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(time.time() + reset)),
            "X-RateLimit-Resource": "core",
            "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
        }

    def _send_fault(self, fault: Fault) -> None:
        headers: dict[str, str] = {}
        if fault.kind == "secondary_limit":
            text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            error = ApiError(429 if fault.status == 429 else 403, text)
            headers = {"Retry-After": str(int(fault.seconds))}
        elif fault.kind == "primary_limit":
            error = ApiError(403, "API rate limit exceeded")
            headers = self._limits(None, exhausted=True, reset=fault.seconds)
        else:
            error = ApiError(fault.status, "Server Error")
        self._log(error.status, "fault")
        self._send_json(error.status, error.body(), headers)

    def _serve_control(self, door: str, body: bytes) -> None:
        if not secrets.compare_digest(password(self.headers.get("Authorization", "")), self.server.control_token):
            self._send_json(401, {"message": "the control token is missing or wrong"}, {})
            return
        answer = self.server.control.answer(self.command, unquote(door), json.loads(body or b"{}"))
        self._send_json(answer.status, answer.body, {})

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            pieces: list[bytes] = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send_json(self, status: int, body: Any, headers: dict[str, str]) -> None:
        self._send(status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def _break_off(self) -> None:
        # Closing with unsent data thrown away makes the other side see a reset and not an end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def _log(self, status: int, login: str) -> None:
        entry = {"method": self.command, "path": self.path, "status": status, "login": login}
        self.server.control.requests.append(entry)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: requests can be read at the control door."""
