"""Names and passwords for registries, as Docker keeps them."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codexctl_ci import process
from codexctl_ci.images.reference import DOCKER_HUB

log = logging.getLogger(__name__)

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Credential:
    """``token`` is an identity token (OAuth2 refresh token), in place of the password."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of a Basic ``Authorization`` header, empty where there is no password."""
        if not self.password:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class DockerConfig:
    """``config.json`` of Docker. A credential that is found is told to ``on_secret`` before anybody uses it."""

    def __init__(self, document: Mapping[str, Any], on_secret: Callable[[str], object] = lambda _: None) -> None:
        self._document = document
        self._on_secret = on_secret
        self._known: dict[str, Credential | None] = {}

    def text_for(self, hosts: Iterable[str]) -> str:
        """A ``config.json`` with the plain logins for ``hosts`` alone, empty where there are none."""
        auths = {}
        for host in hosts:
            found = self.find(host)
            if found is not None:
                entry = (
                    {"auth": found.basic.removeprefix("Basic ")} if found.password else {"identitytoken": found.token}
                )
                auths[_HUB_KEYS[0] if host == DOCKER_HUB else host] = entry
        return json.dumps({"auths": auths}) if auths else ""

    def find(self, host: str) -> Credential | None:
        """The credential for ``host``, None where there is none."""
        if host not in self._known:
            found = self._known[host] = self._look_up(host)
            for secret in (found.password, found.token, found.basic.removeprefix("Basic ")) if found else ():
                if secret:
                    self._on_secret(secret)
        return self._known[host]

    def _look_up(self, host: str) -> Credential | None:
        keys = _HUB_KEYS if host == DOCKER_HUB else (host, f"https://{host}", f"https://{host}/v1/", f"http://{host}")
        helpers = self._document.get("credHelpers") or {}
        helper = next((helpers[key] for key in keys if key in helpers), self._document.get("credsStore"))
        if helper:
            found = _from_helper(str(helper), keys[0])
            if found is not None:
                return found
        auths = self._document.get("auths") or {}
        entry = next((auths[key] for key in keys if key in auths), None)
        return _from_entry(entry) if isinstance(entry, Mapping) else None


def _from_entry(entry: Mapping[str, Any]) -> Credential | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"])).decode()
        except ValueError:
            log.warning("an entry of Docker's config.json is no base64 and is left out")
            return None
        username, _, password = text.partition(":")
    found = Credential(username, password.rstrip("\0"), str(entry.get("identitytoken") or ""))
    return found if found.password or found.token else None


def _from_helper(name: str, server: str) -> Credential | None:
    argv: Sequence[str] = (f"docker-credential-{name}", "get")
    try:
        done = process.run(argv, stdin=server.encode())
        answer = json.loads(done.stdout) if done.ok else {}
    except (OSError, ValueError):
        answer = {}
    if not answer.get("Secret"):
        log.debug("%s has nothing for %s", argv[0], server)
        return None
    username, secret = str(answer.get("Username") or ""), str(answer["Secret"])
    return Credential(token=secret) if username == "<token>" else Credential(username, secret)


def load_docker_config(environ: Mapping[str, str], on_secret: Callable[[str], object] = lambda _: None) -> DockerConfig:
    """The first ``config.json`` of ``$DOCKER_CONFIG``, ``~/.docker`` and ``/kaniko/.docker`` that can be read."""
    home = environ.get("HOME") or ""
    folders = [environ.get("DOCKER_CONFIG"), f"{home}/.docker" if home else "", "/kaniko/.docker"]
    for folder in filter(None, folders):
        try:
            document = json.loads(Path(folder, "config.json").read_text())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            log.warning("%s/config.json cannot be read: %s", folder, type(error).__name__)
            continue
        if isinstance(document, dict):
            return DockerConfig(document, on_secret)
    return DockerConfig({}, on_secret)
