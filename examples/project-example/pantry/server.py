"""The API service: `python3 -m pantry.server`."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pantry.api import answer
from pantry.store import MemoryStore, PostgresStore

LARGEST_BODY = 64 * 1024


def make_server(store, port):
    """The HTTP server; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._reply(*answer(store, "GET", self._path(), None))

        def do_POST(self):
            size = int(self.headers.get("Content-Length") or 0)
            if size > LARGEST_BODY:
                self.close_connection = True
                return self._reply(413, {"error": "too large"})
            try:
                body = json.loads(self.rfile.read(size))
            except ValueError:
                return self._reply(400, {"error": "the body is not JSON"})
            return self._reply(*answer(store, "POST", self._path(), body))

        def _path(self):
            return self.path.partition("?")[0]

        def _reply(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, text, *values):
            if not self.path.endswith("z"):
                print(f"{self.command} {self.path} {values[1] if len(values) > 1 else ''}", flush=True)

    return ThreadingHTTPServer(("", port), Handler)


def store_from(environ):
    """The store that the environment names: PostgreSQL where PGHOST is set."""
    if not environ.get("PGHOST"):
        return MemoryStore()
    return PostgresStore(environ["PGHOST"], environ["PGUSER"], environ["PGPASSWORD"], environ["PGDATABASE"])


def main():
    """Serve until SIGTERM."""
    server = make_server(store_from(os.environ), int(os.environ.get("PORT", "8080")))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
