"""A proxy in front of a real API server that makes the faults one can't order from a real one.

    with FaultyProxy("https://10.245.0.1:16443") as proxy:
        ...                                     # talk to proxy.url as to the API server, with its own credentials
        proxy.on(Refuse(429, retry_after=1), method="PATCH", path="/configmaps/", times=2)
        proxy.on(Reset(after=True), method="POST", path="/leases$")     # it went through, the answer is lost
        proxy.on(Refuse(410), path="/pods$", query="watch=1")           # history is gone when a watch begins
        proxy.on(EventGone(after=1), query="watch=1")                   # ... or in the middle of it
        proxy.on(Cut(after=2), query="watch=1")                         # a watch that breaks after two events
        proxy.on(Delay(0.02), times=None)                               # latency of every request
        proxy.seen                               # every request: number, method, path, query, body, status
        proxy.count(method="POST|PUT|PATCH|DELETE", path="/leases")

A rule holds for ``times`` requests (None: for ever) that match all of its patterns (regular expressions, searched).
The first rule that matches and is not used up acts; ``Delay`` and ``Call`` also let the next one act.

"Killed before and after every call": count the calls of one good run, then for each number n and each side

        proxy.die_at(n)                          # request n and all after it never reach the server
        proxy.die_at(n, after=True)              # request n does, its answer and all after it don't come back
        ... run; the client sees connection resets until it gives up ...
        proxy.revive()                           # and the next run must finish the work

or, for a client in a process of its own, ``proxy.on(Call(lambda request: os.kill(pid, 9)), times=1)``, with
``Call(..., after=True)`` for the moment between the server's answer and its way back.

The front is plain HTTP on loopback, or TLS where ``certificate`` names a PEM file with certificate and key. The
upstream's certificate is not checked. WebSockets (exec) pass through and are counted as one request.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

_HOP = {"connection", "transfer-encoding", "keep-alive", "proxy-connection", "te", "trailer"}


@dataclass
class Request:
    """One request as it came. ``number`` counts from 1; ``status`` is what the client was told, 0 for a reset."""

    number: int
    method: str
    path: str
    query: str
    body: bytes = field(repr=False, default=b"")
    status: int = 0


@dataclass(frozen=True)
class Refuse:
    """Answer in the server's place; ``retry_after`` in seconds."""

    status: int
    retry_after: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Reset:
    """Reset the connection before the request went to the server, or after its answer came back."""

    after: bool = False


@dataclass(frozen=True)
class Delay:
    """Wait before the request goes on."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """Break a stream after this many lines."""

    after: int


@dataclass(frozen=True)
class EventGone:
    """End a watch after this many lines with the event that says its history is gone."""

    after: int = 0


@dataclass(frozen=True)
class Call:
    """Call ``hook`` with the request before it goes to the server, or between the answer and its way back."""

    hook: Callable[[Request], None]
    after: bool = False


Action: TypeAlias = Refuse | Reset | Delay | Cut | EventGone | Call


@dataclass
class _Rule:
    action: Action
    method: str
    path: str
    query: str
    left: int | None

    def takes(self, request: Request) -> bool:
        return (
            self.left != 0
            and re.fullmatch(self.method or ".*", request.method) is not None
            and re.search(self.path, request.path) is not None
            and re.search(self.query, request.query) is not None
        )


class FaultyProxy:
    """See the module's text. A context manager; ``url`` is where it listens."""

    def __init__(self, upstream: str, *, host: str = "127.0.0.1", certificate: Path | None = None) -> None:
        self.upstream = urlsplit(upstream)
        self.seen: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._dies: tuple[int, bool] | None = None
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server((host, 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://{host}:{self._server.server_address[1]}"

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faulty-proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()

    def on(self, action: Action, *, method: str = "", path: str = "", query: str = "", times: int | None = 1) -> None:
        """Add a rule; it comes after those that are there."""
        with self._lock:
            self._rules.append(_Rule(action, method, path, query, times))

    def clear(self) -> None:
        """Forget rules and what was seen; be alive."""
        with self._lock:
            self._rules.clear()
            self.seen.clear()
            self._dies = None

    def count(self, *, method: str = "", path: str = "", query: str = "") -> int:
        """How many requests matched so far."""
        rule = _Rule(Delay(0), method, path, query, None)
        with self._lock:
            return sum(rule.takes(request) for request in self.seen)

    def die_at(self, number: int, *, after: bool = False) -> None:
        """From the ``number``-th request on nothing passes; with ``after`` that one still reaches the server."""
        with self._lock:
            self._dies = (number, after)

    def revive(self) -> None:
        """Pass requests again and count them from 1; rules stay."""
        with self._lock:
            self._dies = None
            self.seen.clear()

    def take(self, method: str, target: str, body: bytes) -> tuple[Request, list[Action]]:
        """Number a request and say what is to be done with it."""
        parts = urlsplit(target)
        with self._lock:
            request = Request(len(self.seen) + 1, method, parts.path, parts.query, body)
            self.seen.append(request)
            if self._dies is not None and request.number >= self._dies[0]:
                return request, [Reset(after=self._dies[1] and request.number == self._dies[0])]
            actions: list[Action] = []
            for rule in self._rules:
                if rule.takes(request):
                    if rule.left is not None:
                        rule.left -= 1
                    actions.append(rule.action)
                    if not isinstance(rule.action, Delay | Call):
                        break
            return request, actions


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for open_socket in list(self._open):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: ``FaultyProxy.seen`` tells it all."""

    def finish(self) -> None:
        super().finish()
        if self._upstream is not None:
            self._upstream.close()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request, actions = self.owner.take(self.command, self.path, body)
        last: Action | None = None
        for action in actions:
            if isinstance(action, Delay):
                time.sleep(action.seconds)
            elif isinstance(action, Call):
                if not action.after:
                    action.hook(request)
            else:
                last = action
        if isinstance(last, Refuse):
            self._refuse(request, last)
            return
        if isinstance(last, Reset) and not last.after:
            self._reset()
            return
        if self.headers.get("Upgrade"):
            self._tunnel(request)
            return
        try:
            answer = self._forward(request)
        except (OSError, http.client.HTTPException):
            self._reset()
            return
        for action in actions:
            if isinstance(action, Call) and action.after:
                action.hook(request)
        if isinstance(last, Reset):
            answer.read()
            self._reset()
            return
        self._pass_back(request, answer, last)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _open(self) -> http.client.HTTPConnection:
        target = self.owner.upstream
        if target.scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection(target.netloc, context=context)
        return http.client.HTTPConnection(target.netloc)

    def _forward(self, request: Request) -> http.client.HTTPResponse:
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP | {"host"}}
        if self._upstream is None:
            self._upstream = self._open()
        self._upstream.request(request.method, self.path, request.body or None, headers)
        return self._upstream.getresponse()

    def _refuse(self, request: Request, refuse: Refuse) -> None:
        reasons = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
        reason = refuse.reason or reasons.get(refuse.status, "")
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": refuse.status,
            "reason": reason,
            "message": f"made up by the proxy: {reason or refuse.status}",
        }
        data = json.dumps(status).encode()
        request.status = refuse.status
        self.send_response(refuse.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if refuse.retry_after is not None:
            self.send_header("Retry-After", str(refuse.retry_after))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        # Linger of zero: close() sends RST, not FIN, as a dying peer does.
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _pass_back(self, request: Request, answer: http.client.HTTPResponse, last: Action | None) -> None:
        request.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for key, value in answer.getheaders():
            if key.lower() not in _HOP:
                self.send_header(key, value)
        if answer.getheader("Content-Length") is not None or answer.status in (204, 304):
            self.end_headers()
            self.wfile.write(answer.read())
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for piece in self._pieces(answer, last):
            if piece is None:
                self._reset()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        if not answer.isclosed():
            # The stream was ended early: what is left of it must not be taken for the next answer.
            self._drop_upstream()

    def _pieces(self, answer: http.client.HTTPResponse, last: Action | None) -> Iterator[bytes | None]:
        if isinstance(last, Cut | EventGone):
            for _ in range(last.after):
                line = answer.readline()
                if not line:
                    return
                yield line
            if isinstance(last, Cut):
                self._drop_upstream()
                yield None
            else:
                gone = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}
                yield json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"
            return
        while piece := answer.read1(65536):
            yield piece

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    def _tunnel(self, request: Request) -> None:
        upstream = self._open()
        upstream.connect()
        other = upstream.sock
        assert other is not None
        lines = [f"{self.command} {self.path} HTTP/1.1", *(f"{key}: {value}" for key, value in self.headers.items())]
        other.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        request.status = 101
        self.close_connection = True
        back = threading.Thread(target=_pump, args=(other, self.connection), daemon=True)
        back.start()
        _pump(self.connection, other)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
