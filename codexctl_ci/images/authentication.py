"""Being let in by a registry: what its challenge asks for."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from codexctl_ci.errors import ApiError
from codexctl_ci.images.connection import Connection
from codexctl_ci.images.credentials import Credential, DockerConfig

_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_SHORTEST_LIFE = 60.0


@dataclass(frozen=True, slots=True)
class Challenge:
    """What ``WWW-Authenticate`` asks for: ``scheme`` is ``basic`` or ``bearer``."""

    scheme: str
    realm: str = ""
    service: str = ""


def parse_challenge(header: str) -> Challenge | None:
    """The challenge in ``header``, None for a scheme that registries don't use."""
    scheme, _, rest = header.strip().partition(" ")
    values = dict(_PARAMETER.findall(rest))
    if scheme.lower() not in ("basic", "bearer"):
        return None
    return Challenge(scheme.lower(), values.get("realm", ""), values.get("service", ""))


class Authentication:
    """Keeps, for each registry and scope, the header that lets us in. Usable from many threads."""

    def __init__(
        self, connection: Connection, config: DockerConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def header(self, host: str, scope: str) -> str:
        """The ``Authorization`` header for ``scope`` (``repository:a/b:pull``), empty before any challenge."""
        challenge = self._challenges.get(host)
        if challenge is None:
            return ""
        credential = self._config.find(host)
        if challenge.scheme == "basic":
            return credential.basic if credential else ""
        with self._lock:
            token, ends = self._tokens.get((host, scope), ("", 0.0))
            if self._clock() >= ends:
                token, ends = self._fetch(host, challenge, credential, scope)
                self._tokens[(host, scope)] = (token, ends)
        return f"Bearer {token}"

    def challenged(self, host: str, header: str, scope: str) -> bool:
        """Take a 401's challenge; whether it is worth asking again."""
        challenge = parse_challenge(header)
        if challenge is None or (challenge.scheme == "basic" and self._config.find(host) is None):
            return False
        known = self._challenges.get(host) == challenge
        self._challenges[host] = challenge
        return self._tokens.pop((host, scope), None) is not None or not known or challenge.scheme == "bearer"

    def _fetch(self, host: str, challenge: Challenge, credential: Credential | None, scope: str) -> tuple[str, float]:
        what = f"ask {urlsplit(challenge.realm).netloc or host} for a token"
        if credential is not None and credential.token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credential.token,
                "service": challenge.service,
                "scope": scope,
                "client_id": "codexctl-ci",
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._connection.request(
                "POST", challenge.realm, headers=headers, body=urlencode(form).encode(), what=what
            )
        else:
            query = urlencode({"service": challenge.service, "scope": scope})
            headers = {"Authorization": credential.basic} if credential and credential.basic else {}
            mark = "&" if "?" in challenge.realm else "?"
            answer = self._connection.request("GET", f"{challenge.realm}{mark}{query}", headers=headers, what=what)
        try:
            document = json.loads(answer.data) if answer.status == 200 else {}
        except ValueError:
            document = {}
        token = document.get("token") or document.get("access_token")
        if not token:
            raise ApiError(
                what, status=answer.status, obj=host, hint="check the registry's entry in Docker's config.json"
            )
        life = max(_SHORTEST_LIFE, float(document.get("expires_in") or _SHORTEST_LIFE))
        return str(token), self._clock() + life * 0.9
