"""The runner's HTTP side: the hook for webhooks, and doors to wait, look, cancel, kill and run again."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.runner.service import RunnerService

Json = Any


class RunnerServer(ThreadingHTTPServer):
    """A running runner. `url` is its address; `secret` opens its doors; webhooks must be signed with
    `hook_secret` where there is one."""

    daemon_threads = True

    def __init__(self, address: str, port: int, service: RunnerService, secret: str, hook_secret: str = "") -> None:
        super().__init__((address, port), _Handler)
        self.service = service
        self.secret = secret
        self.hook_secret = hook_secret
        self.url = f"http://{address}:{self.server_address[1]}"

    def run_in_thread(self) -> RunnerServer:
        """Serve in the background."""
        threading.Thread(target=lambda: self.serve_forever(0.02), daemon=True, name="runner").start()
        return self


class _Handler(BaseHTTPRequestHandler):
    server: RunnerServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a webhook, or act on a run."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/hook" and not self._signed(body):
            self._send(401, {})
            return
        if path == "/hook":
            self.server.service.take(
                self.headers["X-GitHub-Event"],
                self.headers["X-GitHub-Delivery"],
                json.loads(body),
                self.headers.get("X-Sandbox-Starts-Workflows") == "true",
            )
            self._send(202, {})
            return
        found = re.fullmatch(r"/runs/(\d+)/(cancel|kill|rerun)", path)
        if found is None or not self._known():
            self._send(404, {})
            return
        number, service = int(found[1]), self.server.service
        deeds: dict[str, Callable[[], Json]] = {
            "cancel": lambda: service.cancel(number),
            "kill": lambda: service.kill(number),
            "rerun": lambda: {"delivery": service.rerun(number, json.loads(body)["actor"])},
        }
        try:
            self._send(200, deeds[found[2]]() or {})
        except KeyError:
            self._send(409, {"message": f"run {number} isn't running"})

    def do_GET(self) -> None:
        """Wait for a webhook's runs, or look."""
        parts = urlsplit(self.path)
        records = self.server.service.records
        if not self._known():
            self._send(404, {})
        elif found := re.fullmatch(r"/deliveries/([\w-]+)", parts.path):
            seconds = float(parse_qs(parts.query).get("seconds", ["0"])[0])
            over = records.wait(found[1], timedelta(seconds=seconds))
            self._send(200, {"over": over, "runs": records.of(found[1])})
        elif parts.path == "/runs":
            self._send(200, [asdict(item) for item in list(records.runs.values())])
        elif found := re.fullmatch(r"/runs/(\d+)/log", parts.path):
            run = records.runs.get(int(found[1]))
            log = Path(run.log) if run and run.log else None
            self._send(200, {"log": log.read_text() if log and log.exists() else ""})
        else:
            self._send(404, {})

    def _signed(self, body: bytes) -> bool:
        if not self.server.hook_secret:
            return True
        expected = hmac.new(self.server.hook_secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.headers.get("X-Hub-Signature-256", ""), f"sha256={expected}")

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.server.secret}"

    def _send(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""
