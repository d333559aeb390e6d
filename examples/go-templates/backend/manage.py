"""Tickets as JSON: `manage.py prepare` makes the folder for them, `manage.py serve` answers."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TICKETS = Path(os.environ.get("DATA", "/data")) / "tickets"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        found = {"/healthz": {}, "/tickets": sorted(file.stem for file in TICKETS.glob("*.json"))}.get(self.path)
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        TICKETS.mkdir(parents=True, exist_ok=True)
    else:
        host, _, port = os.environ.get("LISTEN", "0.0.0.0:8000").rpartition(":")
        ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
