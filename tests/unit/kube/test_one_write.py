"""A request leaves whole: what is stopped between head and body would end in a later life of its namespace."""

from __future__ import annotations

import socket
import threading

import urllib3

from codexctl_ci.kube.one_write import write_at_once

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


class Recorder(socket.socket):
    """A socket that notes each write."""

    writes: list[bytes]

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        self.writes.append(bytes(data))
        super().sendall(data, flags)


def test_head_and_body_are_one_write() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        peer, _ = server.accept()
        with peer:
            for _ in range(2):
                peer.recv(65536)
                peer.sendall(ANSWER)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    pools = urllib3.PoolManager()
    write_at_once(pools)
    pool = pools.connection_from_host("127.0.0.1", server.getsockname()[1], "http")
    connection = pool.ConnectionCls(host="127.0.0.1", port=server.getsockname()[1], timeout=10)
    connection.connect()
    recorder = Recorder(fileno=connection.sock.detach())  # type: ignore[attr-defined]
    recorder.writes = []
    connection.sock = recorder  # type: ignore[attr-defined]
    for body in (b'{"kind":"Lease"}', None):
        connection.request("POST", "/api", body=body)
        assert connection.getresponse().data == b"{}"
    connection.close()
    thread.join(10)
    server.close()
    whole, without = recorder.writes
    assert whole.startswith(b"POST /api HTTP/1.1\r\n") and whole.endswith(b'\r\n\r\n{"kind":"Lease"}')
    assert without.endswith(b"\r\n\r\n")
