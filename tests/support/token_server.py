"""Who lets clients into a registry with token authentication: signs tokens for who knows the password."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

SERVICE, ISSUER = "a registry", "a test"


@dataclass
class TokenServer:
    """``asked`` holds the scopes of each request; ``auth`` is the registry's section for it.

    Who gives no login may pull ``public/…``; who gives ``user`` and ``password``, or ``refresh_token``, may do all.
    """

    user: str = "bob"
    password: str = "pass-word"
    refresh_token: str = "refresh-me"
    auth: str = ""
    asked: list[list[str]] = field(default_factory=list)

    def _rights(self, scope: str, known: bool) -> dict[str, object] | None:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        granted = actions.split(",") if known else ["pull"] if name.startswith("public/") else []
        return {"type": kind, "name": name, "actions": granted} if granted else None

    def claims(self, scopes: list[str], known: bool) -> dict[str, object]:
        """What the token says."""
        now = int(time.time())
        access = [found for scope in scopes if (found := self._rights(scope, known))]
        times = {"iat": now - 5, "nbf": now - 5, "exp": now + 300}
        return {"iss": ISSUER, "sub": self.user, "aud": SERVICE, "jti": str(len(self.asked)), **times, "access": access}


@contextmanager
def running_token_server(folder: Path) -> Iterator[TokenServer]:
    """Serves on loopback; its certificate lies in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _certificate(key)
    (folder / "root.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]
    server = TokenServer()
    login = "Basic " + base64.b64encode(f"{server.user}:{server.password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            query = parse_qs(urlsplit(self.path).query)
            self._answer(query, given == login, refused=given not in (None, login))

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            known = form.get("refresh_token") == [server.refresh_token]
            self._answer(form, known, refused=not known)

        def _answer(self, query: dict[str, list[str]], known: bool, *, refused: bool) -> None:
            scopes = [scope for each in query.get("scope", []) for scope in each.split(" ")]
            server.asked.append(scopes)
            token = jwt.encode(server.claims(scopes, known), key, "RS256", headers={"x5c": chain})
            body = b"{}" if refused else json.dumps({"access_token": token, "expires_in": 300}).encode()
            self.send_response(401 if refused else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    realm = f"http://127.0.0.1:{http.server_port}/token"
    parts = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(folder / "root.pem")}
    server.auth = f"auth: {json.dumps({'token': parts})}\n"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
