"""The runner itself as the agent's place: a folder of its own, another user where root allows, few variables."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codexctl_ci.codex.places import LocalPlace

log = logging.getLogger(__name__)

USER = "codexctl-agent"
WORK = "src"
"""The working copy in the agent's folder; named as in the workspace volume."""
_NOBODY = 65534
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "OPENAI_API_KEY",
)


@dataclass(frozen=True)
class Workplace:
    """A folder of the agent's own on this machine: ``home``, and in it ``work``, where its working copy is to lie."""

    place: LocalPlace
    home: Path

    @property
    def work(self) -> Path:
        return self.home / WORK


def open_workplace(
    name: str, environ: Mapping[str, str], *, keep: tuple[str, ...] = (), base: Path | None = None
) -> Workplace:
    """The folder called ``name``, made or found again. ``keep``: variables that the agent's configuration needs."""
    user = _user() if os.geteuid() == 0 else None
    base = base or (Path("/var/lib/codexctl-ci/agents") if user else _cache(environ))
    home = base / name
    (home / WORK).mkdir(parents=True, exist_ok=True)
    if user is not None:
        # Only its own home belongs to that user, and whoever comes by may pass through to it.
        base.chmod(0o711)
        _give(home, user)
    home.chmod(0o700)
    env = {key: environ[key] for key in (*_KEPT, *keep) if key in environ}
    env |= {"HOME": str(home), "CODEX_HOME": str(home / "codex")}
    return Workplace(LocalPlace(env, home / WORK, user), home)


def _user() -> tuple[int, int] | None:
    if shutil.which("setpriv") is None:
        log.warning("setpriv is not installed: the agent runs as root, in Codex's own sandbox")
        return None
    try:
        entry = pwd.getpwnam(USER)
        return entry.pw_uid, entry.pw_gid
    except KeyError:
        return _NOBODY, _NOBODY


def _give(folder: Path, user: tuple[int, int]) -> None:
    for path, folders, files in os.walk(folder):
        for each in (path, *(os.path.join(path, name) for name in (*folders, *files))):  # noqa: PTH118 - many
            os.lchown(each, *user)


def _cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base else Path(environ.get("HOME") or "/") / ".cache") / "codexctl-ci" / "agents"
