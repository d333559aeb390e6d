"""The first job of every workflow: one process, and an API that takes 50 ms for each answer."""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.rows import Row, run

_TIMES = 7
_ANSWER_SECONDS = 0.05
_ROOT = Path(__file__).parents[2]


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        time.sleep(_ANSWER_SECONDS)  # what is measured: a server that takes its time
        body = {"permission": "write", "user": {"login": "bob", "type": "User"}, "state": "open", "number": 7}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def rows() -> Iterator[Row]:
    """The whole process, from its start to its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    event = {"action": "labeled", "sender": {"login": "bob"}, "issue": {"number": 7, "state": "open"}}
    try:
        with TemporaryDirectory() as scratch:
            file = Path(scratch) / "event.json"
            file.write_text(json.dumps(event))
            environ = {
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": scratch,
                "PYTHONPATH": str(_ROOT),
                "CODEXCTL_EVENT": str(file),
                "CODEXCTL_GH_PAT": "ghp_bench",
                "CODEXCTL_REPO": "acme/shop",
                "CODEXCTL_ACTOR": "bob",
                "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
            }
            words = [sys.executable, "-m", "codexctl_ci", "guard"]
            run(words, environ)
            took = statistics.median(run(words, environ).seconds for _ in range(_TIMES))
            bare = statistics.median(run([sys.executable, "-c", "pass"], environ).seconds for _ in range(_TIMES))
    finally:
        server.shutdown()
        server.server_close()
    # Two answers, one after the other: who it is, and whether the issue is open still.
    yield Row("guard, whole process, API answering in 50 ms", took, bare + 2 * _ANSWER_SECONDS, 1.0, "s")
