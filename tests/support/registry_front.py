"""What may stand before a real registry: the API of referrers, a network that breaks, a server that throttles."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

INDEX = "application/vnd.oci.image.index.v1+json"
_KEPT = ("content-type", "docker-content-digest", "location", "content-range", "accept-ranges", "www-authenticate")


@dataclass
class Front:
    """``host`` is its address. All that isn't said here goes to the registry at ``behind`` and comes back as it is.

    ``referrers`` maps digests to descriptors, None for a registry without that API. The next ``breaks`` blobs end
    after half of what was asked for. The next ``throttled`` requests are refused with 429. Every request that comes
    while ``away`` is cut off.
    """

    behind: str
    host: str = ""
    referrers: dict[str, list[dict[str, object]]] | None = None
    breaks: int = 0
    throttled: int = 0
    away: bool = False
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self, method: str, contains: str = "") -> list[str]:
        """What was asked for so far."""
        return [path for asked, path, _ in self.asked if asked == method and contains in path]


@contextmanager
def running_front(behind: str) -> Iterator[Front]:
    """In front of the registry at host ``behind``."""
    front = Front(behind)
    pool = urllib3.PoolManager(retries=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            front.asked.append((self.command, self.path, dict(self.headers)))
            if front.away:
                self.close_connection = True
                return
            if front.throttled:
                front.throttled -= 1
                self._answer(429, {"Retry-After": "0"}, b"")
                return
            digest = self.path.partition("/referrers/")[2]
            if digest and front.referrers is not None:
                page = {"schemaVersion": 2, "mediaType": INDEX, "manifests": front.referrers.get(digest, [])}
                self._answer(200, {"Content-Type": INDEX}, json.dumps(page).encode())
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            url = f"http://{front.behind}{self.path}"
            answer = pool.request(self.command, url, body=body or None, headers=headers, redirect=False)
            kept = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT}
            kept = {name: value.replace(front.behind, front.host) for name, value in kept.items()}
            self._noted(answer.status, body)
            self._answer(answer.status, kept, answer.data, answer.headers.get("Content-Length", "0"))

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def _noted(self, status: int, body: bytes) -> None:
            """A registry with the API finds subjects in what is pushed."""
            if front.referrers is None or status != 201 or "/manifests/" not in self.path:
                return
            document = json.loads(body)
            if document.get("subject"):
                name = self.path.rpartition("/")[2]
                found = {"mediaType": document["mediaType"], "digest": name, "size": len(body)}
                front.referrers.setdefault(document["subject"]["digest"], []).append(found)

        def _answer(self, status: int, headers: dict[str, str], body: bytes, length: str = "") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if self.command == "GET" and "/blobs/" in self.path and front.breaks:
                front.breaks -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    front.host = f"127.0.0.1:{server.server_port}"
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
