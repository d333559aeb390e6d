"""A container's log over a connection that breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.following import follow
from codexctl_ci.kube.transport import Transport

LINES = [
    "2026-01-01T00:00:00.1Z one",
    "2026-01-01T00:00:00.12Z two",
    "2026-01-01T00:00:01Z ",
    "2026-01-01T00:00:01.5Z four \u00e9",
    "2026-01-01T00:00:02Z five",
]


class Server(ThreadingHTTPServer):
    """Gives the log from the second that is asked for; each answer breaks off after so many ``pieces`` of bytes."""

    def __init__(self, pieces: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pieces = pieces
        self.asked: list[dict[str, list[str]]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(query)
        second = query.get("sinceTime", [""])[0].partition(".")[0].rstrip("Z")
        body = "".join(f"{line}\n" for line in LINES if line[:19] >= second).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.pieces.pop(0)] if self.server.pieces else body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server([])
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(server: Server) -> list[str]:
    transport = Transport(Connection(f"http://127.0.0.1:{server.server_port}"))
    return list(follow(transport, "/api/v1/namespaces/a/pods/b/log", "c", "Pod/b in a"))


@pytest.mark.parametrize("pieces", [[], [40], [40, 0, 70], [3], [57, 60]])
def test_every_line_comes_once_however_the_connection_breaks(server: Server, pieces: list[int]) -> None:
    server.pieces[:] = pieces
    assert read(server) == ["one", "two", "", "four \u00e9", "five"]
    assert len(server.asked) == len(pieces) + 1 and server.asked[0]["container"] == ["c"]


def test_log_that_always_breaks_is_given_up(server: Server) -> None:
    server.pieces[:] = [3] * 20
    with pytest.raises(ApiError, match="follow the log"):
        read(server)
    assert len(server.asked) == 5
