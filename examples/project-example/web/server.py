"""The web frontend: static files, and /api passed on to the API service. `python3 web/server.py`"""

import os
import signal
import threading
import urllib.error
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATIC = Path(__file__).parent / "static"


def make_server(api, port, static=STATIC):
    """The HTTP server; `api` is the address of the API service, port 0 takes a free one."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(static))

        def do_GET(self):
            if self.path == "/healthz":
                self._send(200, b'{"status": "ok"}')
            elif self.path.startswith("/api/"):
                self._pass_on(None)
            else:
                super().do_GET()

        def do_POST(self):
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _pass_on(self, body):
            request = urllib.request.Request(api + self.path, data=body, headers={"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    self._send(reply.status, reply.read())
            except urllib.error.HTTPError as error:
                self._send(error.code, error.read())
            except OSError as error:
                self._send(502, f'{{"error": "the API is away: {type(error).__name__}"}}'.encode())

        def _send(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, text, *values):
            if self.path != "/healthz":
                print(f"{self.command} {self.path}", flush=True)

    return ThreadingHTTPServer(("", port), Handler)


if __name__ == "__main__":
    server = make_server(os.environ.get("API_URL", "http://api:8080"), int(os.environ.get("PORT", "8080")))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
