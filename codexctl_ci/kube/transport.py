"""Requests to one API server as JSON over one pool of connections, tried again where the fault is a passing one."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from codexctl_ci import __version__
from codexctl_ci.errors import ApiError, Cause, ConfigError
from codexctl_ci.kube.clock import ServerClock
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.one_write import write_at_once
from codexctl_ci.kube.retrying import RetryPolicy, passing

log = logging.getLogger("codexctl_ci.kube")

JSON = "application/json"
_TOKEN_FILE_SECONDS = 60.0
_SOCKET_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """A successful answer. ``ambiguous``: an earlier try of the same request got none and may have gone through."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    ambiguous: bool

    def json(self) -> Any:
        """The body read as JSON. Raises ApiError (status 0) where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ApiError("the API server's answer is not JSON", status=0, kind="BadAnswer") from None


class Transport:
    """One identity on one API server. Usable from many threads; ``pause`` is how it waits between tries."""

    def __init__(
        self,
        connection: Connection,
        *,
        policy: RetryPolicy | None = None,
        connections: int = 32,
        clock: ServerClock | None = None,
        pause: Callable[[float], None] = time.sleep,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self.connection = connection
        self.policy = policy or RetryPolicy()
        self.connections = connections
        self.clock = clock or ServerClock()
        self.pause = pause
        self.pool = pool or _open_pool(connection, connections)
        self._token_lock = threading.Lock()
        self._token: tuple[str, float] = ("", -_TOKEN_FILE_SECONDS)

    def sibling(self, connection: Connection) -> Transport:
        """The same server for another identity. Connections are shared where none was opened with a certificate."""
        pool = self.pool if not self.connection.client_cert else None
        return Transport(
            connection,
            policy=self.policy,
            connections=self.connections,
            clock=self.clock,
            pause=self.pause,
            pool=pool,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        what: str,
        obj: str = "",
        retry: bool = True,
    ) -> Answer:
        """One request and its answer. ``what`` and ``obj`` are for the error.

        Raises ApiError for every answer from 300 up and, with status 0, where none came.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        url = self.connection.server + path + (f"?{query}" if query else "")
        started = time.monotonic()
        tried, ambiguous, renewed = 0, False, False
        while True:
            tried += 1
            retry_after: str | None = None
            try:
                answer = self._send(method, url, data, content_type, accept)
            except HTTPError as error:
                if isinstance(error, SSLError) or (isinstance(error, ProxyError) and "certificate" in str(error)):
                    raise self._untrusted(error) from None
                ambiguous = ambiguous or not isinstance(error, NewConnectionError | ConnectTimeoutError)
                failure = ApiError(
                    what,
                    status=0,
                    kind="NoAnswer",
                    obj=obj,
                    reason=f"no answer of {self.connection.server}: {describe(error)}",
                    hint="is the API server up, and reachable from here?",
                    ambiguous=ambiguous,
                )
            else:
                self.clock.learn(answer.headers.get("Date"))
                if answer.status < 300:
                    return Answer(answer.status, answer.data, answer.headers, ambiguous)
                if answer.status == 401 and not renewed and self._renew():
                    renewed = True
                    continue
                failure = error_from(answer.status, answer.data, what, obj, ambiguous)
                if not passing(answer.status, answer.headers):
                    raise failure
                retry_after = answer.headers.get("Retry-After")
                # Throttled requests were turned away at the door; of a 5xx nobody knows how far it came.
                ambiguous = ambiguous or answer.status >= 500 or answer.status == 408
                failure.ambiguous = ambiguous
            pause = self.policy.pause(tried, retry_after)
            late = time.monotonic() - started + pause > self.policy.whole.total_seconds()
            if not retry or tried >= self.policy.tries or late:
                raise failure
            log.debug("%s %s: %s; again in %.1fs", method, path, failure.reason or failure.status, pause)
            self.pause(pause)

    def stream(self, path: str, query: str, *, what: str, seconds: float) -> urllib3.BaseHTTPResponse:
        """A GET whose body is read as it comes; ``seconds`` is the longest silence. One try. Raises as ``request``."""
        try:
            answer = self.pool.request(
                "GET",
                f"{self.connection.server}{path}?{query}",
                headers=self.headers(),
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=10.0, read=seconds),
            )
        except SSLError as error:
            raise self._untrusted(error) from None
        except HTTPError as error:
            raise ApiError(what, status=0, kind="NoAnswer", reason=describe(error)) from None
        self.clock.learn(answer.headers.get("Date"))
        if answer.status >= 300:
            data = answer.data
            answer.release_conn()
            if answer.status == 401:
                self._renew()
            raise error_from(answer.status, data, what, "", False)
        return answer

    def headers(self) -> dict[str, str]:
        """The headers that say who we are."""
        made = {"User-Agent": f"codexctl-ci/{__version__}", "Accept": JSON}
        connection = self.connection
        if connection.fresh_headers is not None:
            made.update(connection.fresh_headers(False))
        elif token := connection.token or self._token_from_file():
            made["Authorization"] = f"Bearer {token}"
        elif connection.basic:
            made["Authorization"] = "Basic " + base64.b64encode(connection.basic.encode()).decode()
        made.update(connection.impersonate)
        return made

    def _send(
        self, method: str, url: str, data: bytes | None, content_type: str, accept: str
    ) -> urllib3.BaseHTTPResponse:
        headers = self.headers()
        headers["Accept"] = accept
        if data is not None:
            headers["Content-Type"] = content_type
        return self.pool.request(
            method,
            url,
            body=data,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=10.0, read=_SOCKET_SECONDS),
        )

    def _token_from_file(self) -> str:
        if self.connection.token_file is None:
            return ""
        with self._token_lock:
            token, read_at = self._token
            if time.monotonic() - read_at >= _TOKEN_FILE_SECONDS:
                try:
                    token = self.connection.token_file.read_text("utf-8").strip()
                except OSError as error:
                    if not token:
                        raise ConfigError(
                            "the token for the cluster cannot be read",
                            obj=str(self.connection.token_file),
                            reason=type(error).__name__,
                        ) from None
                self._token = (token, time.monotonic())
            return token

    def _renew(self) -> bool:
        """Get another identity after a 401; False where there is only the one we have."""
        if self.connection.fresh_headers is not None:
            self.connection.fresh_headers(True)
            return True
        if self.connection.token_file is not None:
            with self._token_lock:
                self._token = (self._token[0], -_TOKEN_FILE_SECONDS)
            return True
        return False

    def _untrusted(self, error: HTTPError) -> ConfigError:
        return ConfigError(
            "TLS with the API server failed",
            obj=self.connection.server,
            reason=describe(error),
            hint="give its authority in the kubeconfig (certificate-authority) or in SSL_CERT_FILE",
        )


def _open_pool(connection: Connection, connections: int) -> urllib3.PoolManager:
    context = connection.tls_context()
    options: dict[str, Any] = {"num_pools": 4, "maxsize": connections, "block": False}
    if context is not None:
        options["ssl_context"] = context
        if connection.tls_server_name:
            options["server_hostname"] = connection.tls_server_name
        if connection.insecure:
            # The kubeconfig asked for it; a warning a request would bury the log.
            options["assert_hostname"] = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if not connection.proxy:
        pools = urllib3.PoolManager(**options)
        write_at_once(pools)
        return pools
    parts = urlsplit(connection.proxy)
    if parts.scheme not in ("http", "https"):
        raise ConfigError(
            f"proxies of type {parts.scheme!r} are not supported", obj=parts.hostname or "", hint="use an HTTP proxy"
        )
    proxy_headers = None
    if parts.username:
        from urllib.parse import unquote

        proxy_headers = urllib3.make_headers(
            proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        )
    bare = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    proxied = urllib3.ProxyManager(bare, proxy_headers=proxy_headers, **options)
    write_at_once(proxied)
    return proxied


def error_from(status: int, body: bytes, what: str, obj: str, ambiguous: bool) -> ApiError:
    """The API's Status object as an error; an answer that is none (of a proxy in between) is told as it is."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    # The status of an exec comes without its kind.
    if not isinstance(found, dict) or not (found.get("kind") == "Status" or found.get("status") == "Failure"):
        text = body[:200].decode("utf-8", "replace").strip()
        return ApiError(what, status=status, obj=obj, reason=f"HTTP {status} {text}".strip(), ambiguous=ambiguous)
    details = found.get("details") or {}
    causes = tuple(
        Cause(str(cause.get("reason", "")), str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in details.get("causes") or []
    )
    return ApiError(
        what,
        status=status,
        kind=str(found.get("reason") or ""),
        obj=obj,
        reason=str(found.get("message") or f"HTTP {status}"),
        hint=_hint(status),
        causes=causes,
        ambiguous=ambiguous,
    )


def describe(error: BaseException) -> str:
    """A short text for what went wrong on the wire, without addresses of objects and without headers."""
    inner = getattr(error, "reason", None) or error.__cause__ or error
    return f"{type(inner).__name__}: {inner}" if str(inner) else type(inner).__name__


def _hint(status: int) -> str:
    if status == 401:
        return "the token or certificate is not accepted; has it run out?"
    if status == 403:
        return "give the identity that runs this the right, or use another one"
    return ""
