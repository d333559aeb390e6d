"""A small PostgreSQL client: enough of the wire protocol for this service, and nothing to install.

Logs in with SCRAM-SHA-256, sends values apart from the SQL text, returns every value as text (None for NULL).
https://www.postgresql.org/docs/current/protocol.html
"""

import base64
import hashlib
import hmac
import os
import socket
import struct


class DatabaseError(Exception):
    """The server refused, or can't be reached."""


class Connection:
    """One connection. Use it in a `with` block, from one thread."""

    def __init__(self, host, user, password, database, port=5432, timeout=5.0):
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise DatabaseError(f"cannot reach {host}:{port}: {error}") from error
        self._input = self._socket.makefile("rb")
        try:
            self._log_in(user, password, database)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the connection; the server undoes what was not committed."""
        self._input.close()
        self._socket.close()

    def query(self, sql, *values):
        """Run one statement, with `$1`, `$2` … for the values; the rows as tuples of texts."""
        texts = [None if value is None else str(value).encode() for value in values]
        parameters = b"".join(
            struct.pack("!i", -1) if text is None else struct.pack("!i", len(text)) + text for text in texts
        )
        self._send(b"P", b"\0" + sql.encode() + b"\0" + struct.pack("!h", 0))
        self._send(b"B", b"\0\0" + struct.pack("!hh", 0, len(texts)) + parameters + struct.pack("!h", 0))
        self._send(b"E", b"\0" + struct.pack("!i", 0))
        self._send(b"S", b"")
        return self._rows()

    def script(self, sql):
        """Run several statements without values, all or none of them."""
        self._send(b"Q", sql.encode() + b"\0")
        return self._rows()

    def _log_in(self, user, password, database):
        pairs = b"".join(
            word.encode() + b"\0" for word in ("user", user, "database", database, "client_encoding", "UTF8")
        )
        body = struct.pack("!i", 196608) + pairs + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        scram = None
        while True:
            kind, body = self._receive()
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            step = struct.unpack("!i", body[:4])[0]
            if step == 10:
                scram = Scram(password)
                first = scram.first()
                self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
            elif step == 11:
                self._send(b"p", scram.final(body[4:]))
            elif step == 12:
                scram.verify(body[4:])
            elif step != 0:
                raise DatabaseError(f"the server wants a login that we don't know ({step})")

    def _rows(self):
        rows, failure = [], None
        while True:
            kind, body = self._receive(raising=False)
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                failure = _message(body)
            elif kind == b"Z":
                if failure:
                    raise DatabaseError(failure)
                return rows

    def _send(self, kind, body):
        try:
            self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)
        except OSError as error:
            raise DatabaseError(f"connection lost: {error}") from error

    def _receive(self, raising=True):
        try:
            head = self._input.read(5)
            body = self._input.read(struct.unpack("!i", head[1:])[0] - 4) if len(head) == 5 else b""
        except OSError as error:
            raise DatabaseError(f"connection lost: {error}") from error
        if len(head) < 5:
            raise DatabaseError("the server closed the connection")
        if head[:1] == b"E" and raising:
            raise DatabaseError(_message(body))
        return head[:1], body


def _row(body):
    values, position = [], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        size = struct.unpack("!i", body[position : position + 4])[0]
        position += 4
        values.append(None if size < 0 else body[position : position + size].decode())
        position += max(size, 0)
    return tuple(values)


def _message(body):
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'M', 'error')} ({fields.get(b'C', '?')})"


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 7677)."""

    def __init__(self, password, nonce=""):
        self._password = password.encode()
        self._nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self._bare = f"n=,r={self._nonce}"

    def first(self):
        """The first message."""
        return f"n,,{self._bare}".encode()

    def final(self, challenge):
        """The answer to the server's challenge."""
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if not fields["r"].startswith(self._nonce):
            raise DatabaseError("the server answered somebody else's login")
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        plain = f"c=biws,r={fields['r']}"
        signed = f"{self._bare},{challenge.decode()},{plain}".encode()
        key = _hmac(salted, b"Client Key")
        mask = _hmac(hashlib.sha256(key).digest(), signed)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, mask, strict=True))).decode()
        self._expected = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed)).decode()
        return f"{plain},p={proof}".encode()

    def verify(self, answer):
        """Check that the server knows the password too."""
        if answer.decode() != f"v={self._expected}":
            raise DatabaseError("the server doesn't know our password")


def _hmac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()
