"""Commands in pods over a WebSocket: stdin in pieces, output as it comes, the true exit code.

Protocol: ``v5.channel.k8s.io`` (the first byte of a message names the stream, 255 closes one), else v4, where stdin
can't be closed before the command ends.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from codexctl_ci.errors import ApiError, ConfigError
from codexctl_ci.kube.transport import Transport, describe, error_from
from codexctl_ci.kube.turns import TakingTurns
from codexctl_ci.ports import ExecResult

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024
_KEPT_BYTES = 64 * 1024 * 1024
_CONNECT_SECONDS = 15.0
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


def execute(
    transport: Transport,
    path: str,
    argv: Sequence[str],
    *,
    container: str,
    stdin: Iterable[bytes],
    on_stdout: Callable[[bytes], None] | None,
    timeout: timedelta | None,
    obj: str,
) -> ExecResult:
    """Run ``argv`` in a pod to its end; see ``ports.ClusterApi.execute``."""
    import websocket

    # Nothing to feed is no stream at all: one that ends before the command has begun is now and then never closed in
    # the pod, and the command waits for ever. Without a stream its input is at its end from the start.
    feeds = bool(stdin) and (not isinstance(stdin, tuple | list) or any(stdin))
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true")]
    if feeds:
        query.append(("stdin", "true"))
    if container:
        query.append(("container", container))
    end = None if timeout is None else time.monotonic() + timeout.total_seconds()
    socket = _connect(transport, f"{path}?{urlencode(query)}", obj)
    try:
        session = _Session(socket, on_stdout, end, obj)
        if feeds:
            threading.Thread(target=session.feed, args=(stdin,), name="exec-stdin", daemon=True).start()
        return session.read()
    except websocket.WebSocketTimeoutException:
        raise ApiError(
            "the command did not end in time",
            status=0,
            kind="ExecTimeout",
            obj=obj,
            hint="it may still be running in the pod",
        ) from None
    except (websocket.WebSocketException, OSError) as error:
        raise ApiError(
            "the stream to the command broke", status=0, kind="StreamBroken", obj=obj, reason=describe(error)
        ) from None
    finally:
        socket.close(timeout=0)


class _Session:
    def __init__(self, socket: Any, on_stdout: Callable[[bytes], None] | None, end: float | None, obj: str) -> None:
        self._socket = socket
        self._on_stdout = on_stdout
        self._end = end
        self._obj = obj
        self._stdin_error: BaseException | None = None

    def feed(self, stdin: Iterable[bytes]) -> None:
        import websocket

        try:
            for block in [stdin] if isinstance(stdin, bytes) else stdin:
                for start in range(0, len(block), _PIECE):
                    self._socket.send_binary(bytes([STDIN]) + block[start : start + _PIECE])
            if self._socket.subprotocol == V5:
                self._socket.send_binary(bytes([CLOSE, STDIN]))
        except (websocket.WebSocketException, OSError):
            # The command ended without reading it all; how it ended is what counts.
            pass
        except BaseException as error:  # noqa: BLE001 - the caller's own iterator failed: hand it to the reader
            self._stdin_error = error
            # Not closed: who waits in it must be woken.
            self._socket.abort()

    def read(self) -> ExecResult:
        import websocket

        out, err = bytearray(), bytearray()
        while True:
            if self._end is not None:
                left = self._end - time.monotonic()
                if left <= 0:
                    raise websocket.WebSocketTimeoutException
                self._socket.settimeout(left)
            try:
                opcode, data = self._socket.recv_data()
            except (websocket.WebSocketException, OSError):
                if self._stdin_error is not None:
                    raise self._stdin_error from None
                raise
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException("closed before the command's status came")
            if not data:
                continue
            channel, payload = data[0], data[1:]
            if channel == STDOUT and payload:
                if self._on_stdout is not None:
                    self._on_stdout(payload)
                else:
                    self._keep(out, payload)
            elif channel == STDERR:
                self._keep(err, payload)
            elif channel == STATUS:
                return ExecResult(exit_code(payload, self._obj), bytes(out), bytes(err))

    def _keep(self, kept: bytearray, payload: bytes) -> None:
        if len(kept) + len(payload) > _KEPT_BYTES:
            raise ApiError(
                f"the command printed more than {_KEPT_BYTES >> 20} MiB",
                status=413,
                kind="TooMuchOutput",
                obj=self._obj,
            )
        kept += payload


def exit_code(status: bytes, obj: str) -> int:
    """The exit code in the Status object that ends an exec. Raises ApiError where the command never ran."""
    try:
        found = json.loads(status)
    except ValueError:
        raise ApiError("the command's status can't be read", status=0, kind="BadAnswer", obj=obj) from None
    if found.get("status") == "Success":
        return 0
    if found.get("reason") == "NonZeroExitCode":
        for cause in (found.get("details") or {}).get("causes") or []:
            if cause.get("reason") == "ExitCode":
                return int(cause["message"])
    raise error_from(int(found.get("code") or 500), status, "run a command", obj, False)


def _connect(transport: Transport, target: str, obj: str) -> Any:
    import websocket

    connection = transport.connection
    url = "ws" + connection.server.removeprefix("http") + target
    options: dict[str, Any] = {"http_no_proxy": ["*"]}
    if connection.proxy:
        proxy = urlsplit(connection.proxy)
        options = {
            "http_proxy_host": proxy.hostname,
            "http_proxy_port": proxy.port or (443 if proxy.scheme == "https" else 80),
            "proxy_type": "http",
            # An entry that matches nothing: with none the library would look into the process environment.
            "http_no_proxy": ["no-proxy.invalid"],
        }
        if proxy.username:
            options["http_proxy_auth"] = (unquote(proxy.username), unquote(proxy.password or ""))
    context = connection.tls_context()
    sslopt: dict[str, Any] = {}
    if context is not None:
        sslopt = {"context": context}
        if connection.tls_server_name:
            sslopt["server_hostname"] = connection.tls_server_name
    tried = 0
    while True:
        tried += 1
        headers = {key: value for key, value in transport.headers().items() if key != "Accept"}
        socket = websocket.WebSocket(sslopt=sslopt, enable_multithread=True, skip_utf8_validation=True)
        socket.settimeout(_CONNECT_SECONDS)
        try:
            socket.connect(url, header=headers, subprotocols=[V5, V4], suppress_origin=True, **options)
            if isinstance(socket.sock, ssl.SSLSocket):
                # Stdin is fed by one thread while another reads.
                socket.sock = TakingTurns(socket.sock)
            socket.settimeout(None)
            return socket
        except websocket.WebSocketBadStatusException as error:
            socket.close(timeout=0)
            body = error.resp_body if isinstance(error.resp_body, bytes) else b""
            failure = error_from(error.status_code, body, "run a command", obj, False)
            # Refused before the command began: as safe to repeat as a read.
            again = failure.passing
        except (ConnectionRefusedError, websocket.WebSocketAddressException) as error:
            socket.close(timeout=0)
            failure = ApiError("run a command", status=0, kind="NoAnswer", obj=obj, reason=describe(error))
            again = True
        except (websocket.WebSocketException, OSError) as error:
            socket.close(timeout=0)
            if "CERTIFICATE" in str(getattr(error, "reason", "")):
                raise ConfigError(
                    "TLS with the API server failed", obj=connection.server, reason=describe(error)
                ) from None
            # Whether it began nobody knows: the caller decides.
            raise ApiError(
                "run a command", status=0, kind="StreamBroken", obj=obj, reason=describe(error), ambiguous=True
            ) from None
        if not again or tried >= transport.policy.tries:
            raise failure
        transport.pause(transport.policy.pause(tried))
