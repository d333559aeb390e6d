"""HTTP to registries: pools, TLS, proxies, passing faults."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from codexctl_ci import __version__
from codexctl_ci.errors import ApiError
from codexctl_ci.images.reference import DOCKER_HUB

_TRIES = 5
_LONGEST_PAUSE = 60.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
# How OpenSSL calls an answer that is no TLS at all.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_ALLOW_PLAIN = (
    "it seems to speak plain HTTP: allow that for the project's registries with --kaniko-insecure or the variable "
    "CODEXCTL_KANIKO_INSECURE=true"
)

Response = urllib3.BaseHTTPResponse


@dataclass(frozen=True)
class Trust:
    """Which registries may speak plain HTTP (``plain``) and which certificates are not checked (``unchecked``).

    Both are sets of hosts with port. One in ``plain`` is asked, without a login, which of the two it speaks.
    ``ca_file`` is a bundle in place of the system's. ``proxies`` is what the usual variables say, by scheme and ``no``.
    """

    plain: frozenset[str] = frozenset()
    unchecked: frozenset[str] = frozenset()
    unchecked_everywhere: bool = False
    ca_file: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)

    def checks(self, host: str) -> bool:
        return not self.unchecked_everywhere and host not in self.unchecked


def proxies_of(environ: Mapping[str, str]) -> dict[str, str]:
    """What the proxy variables in ``environ`` say."""
    found: dict[str, str] = {}
    for name, value in environ.items():
        low = name.lower()
        if value and low.endswith("_proxy") and (name.islower() or low[:-6] not in found):
            found[low[:-6]] = value
    return found


class Connection:
    """Requests to any registry, over one pool a host. Usable from many threads."""

    def __init__(self, trust: Trust, *, pause: Callable[[float], object] = time.sleep, threads: int = 16) -> None:
        self._trust = trust
        self._pause = pause
        self._threads = threads
        self._schemes: dict[str, str] = {}
        self._pools: dict[tuple[bool, str], urllib3.PoolManager] = {}

    def url(self, host: str, path: str) -> str:
        """Where the registry answers."""
        address = "registry-1.docker.io" if host == DOCKER_HUB else host
        return f"{self._scheme(host)}://{address}{path}"

    def _scheme(self, host: str) -> str:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.startswith("127.") or name == "::1":
            return "http"
        if host not in self._trust.plain:
            return "https"
        if host not in self._schemes:
            self._schemes[host] = "http" if self._answers_plain(host) else "https"
        return self._schemes[host]

    def _answers_plain(self, host: str) -> bool:
        url = f"http://{host}/v2/"
        retries = urllib3.Retry(2, redirect=0, raise_on_redirect=False)
        try:
            response = self._pool(host, url).request("GET", url, retries=retries, timeout=10.0)
        except (HTTPError, OSError):
            return False
        return response.status in (200, 401)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
        stream: bool = False,
        what: str,
    ) -> Response:
        """The answer, whatever its status; passing faults are tried again where the body allows it.

        Raises ApiError with status 0 where nobody answers.
        """
        host = urlsplit(url).netloc
        repeatable = body is None or isinstance(body, bytes)
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES or not repeatable
            try:
                response = self._pool(host, url).request(
                    method,
                    url,
                    headers={"User-Agent": f"codexctl-ci/{__version__}", **headers},
                    body=body,
                    preload_content=not stream,
                    retries=_redirects(5 if method in ("GET", "HEAD") else 0),
                    timeout=urllib3.Timeout(connect=10.0, read=300.0),
                )
            except (HTTPError, OSError) as error:
                reason = _plain(error)
                plain = any(words in reason for words in _NO_TLS)
                if last or plain:
                    hint = _ALLOW_PLAIN if plain else "is the registry up and reachable from here?"
                    raise ApiError(what, status=0, obj=host, reason=reason, hint=hint) from None
                self.back_off(attempt)
                continue
            if response.status not in _PASSING or last:
                return response
            pause = _retry_after(response.headers.get("Retry-After"))
            response.drain_conn()
            self.back_off(attempt, pause)
        raise AssertionError("unreachable")

    def back_off(self, attempt: int, asked: float | None = None) -> None:
        """Wait after try number ``attempt`` (from 1): the seconds ``asked`` for, or a little more each time."""
        self._pause(asked if asked is not None else min(2.0 ** (attempt - 1) * 0.2, 5.0))

    def _pool(self, host: str, url: str) -> urllib3.PoolManager:
        checked = self._trust.checks(host)
        proxy = self._proxy(host, urlsplit(url).scheme)
        key = (checked, proxy)
        if key not in self._pools:
            context = ssl.create_default_context(cafile=self._trust.ca_file or None)
            if not checked:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            pool: urllib3.PoolManager
            if proxy:
                pool = urllib3.ProxyManager(proxy, maxsize=self._threads, ssl_context=context)
            else:
                pool = urllib3.PoolManager(maxsize=self._threads, ssl_context=context)
            self._pools[key] = pool
        return self._pools[key]

    def _proxy(self, host: str, scheme: str) -> str:
        proxies = dict(self._trust.proxies)
        proxy = proxies.get(scheme) or proxies.get("all") or ""
        bypassed = proxy_bypass_environment(host, proxies)
        return "" if not proxy or bypassed else proxy


def _redirects(most: int) -> urllib3.Retry:
    """No second try of urllib3's own, but so many redirects: blobs often lie in a store beside the registry."""
    return urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=most, raise_on_redirect=False)


def _plain(error: BaseException) -> str:
    inner = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    return f"{type(inner).__name__}: {inner}"[:300]


def _retry_after(text: str | None) -> float | None:
    """Seconds that ``Retry-After`` asks for, at most a minute; a date counts from now."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, min(seconds, _LONGEST_PAUSE))
