"""Requests that leave in one write: head and body together.

http.client writes them apart. A run that is stopped in between has a request at the server whose identity is accepted
already and whose body comes later, perhaps into a namespace that was made anew meanwhile. It also saves a packet.
"""

from __future__ import annotations

from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _OneWrite(HTTPConnection):
    _held: bytearray | None = None

    def request(self, *args: Any, **options: Any) -> None:
        """As urllib3's, in one write."""
        self._held = bytearray()
        try:
            super().request(*args, **options)
            whole = bytes(self._held)
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: Any) -> None:
        """Keep ``data`` while a request is being put together, else send it."""
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _OneWriteTLS(_OneWrite, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _OneWrite


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _OneWriteTLS


def write_at_once(pools: urllib3.PoolManager) -> None:
    """Let the connections that ``pools`` opens from now on send each request in one write."""
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
