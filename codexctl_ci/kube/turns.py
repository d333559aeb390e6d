"""A TLS connection that two threads may use, one reading and one writing.

OpenSSL's connections must not be used by two threads at once, and Python's sockets let go of the interpreter's lock
inside of it: now and then a message is lost that way, and its sender waits for ever. So each step is short, never
waits inside OpenSSL, and has its turn; waiting for the network happens in between.
"""

from __future__ import annotations

import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TakingTurns:
    """What a WebSocket needs of a socket. ``settimeout`` bounds each call; a call over its time is a TimeoutError."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._turn = threading.Lock()
        sock.setblocking(False)

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes, none at the end."""
        return self._step(lambda: self._sock.recv(size))

    def send(self, data: bytes) -> int:
        """How many bytes of ``data`` went."""
        return self._step(lambda: self._sock.send(data))

    def settimeout(self, seconds: float | None) -> None:
        """The longest a call may wait from now on; None is for ever."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """The longest a call may wait."""
        return self._timeout

    def fileno(self) -> int:
        """The descriptor."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection; whoever waits in it is woken."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Let go of it."""
        self._sock.close()

    @property
    def _closed(self) -> bool:
        return self._sock.fileno() < 0

    def _step(self, act: Callable[[], T]) -> T:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with self._turn:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    awaited = select.POLLIN
                except ssl.SSLWantWriteError:
                    awaited = select.POLLOUT
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            poll = select.poll()
            poll.register(self._sock.fileno(), awaited)
            poll.poll(None if left is None else left * 1000)
