"""The runner itself as the agent's place: a clone of its own, another user where root allows, few variables."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from codexctl_ci import process
from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.errors import CodexctlError, ConfigError

log = logging.getLogger(__name__)

USER = "codexctl-agent"
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
_GIT = timedelta(minutes=10)


@dataclass(frozen=True)
class Clone:
    """The agent's own copy of the project on this machine. ``user`` is None where it is our own."""

    place: LocalPlace
    folder: Path


def open_clone(
    checkout: Path, name: str, environ: Mapping[str, str], *, keep: tuple[str, ...] = (), base: Path | None = None
) -> Clone:
    """The clone called ``name``: made from ``checkout``, or found again with the work that is in it.

    ``keep`` names variables that the agent's configuration refers to. Raises ConfigError where ``checkout`` is no
    git repository.
    """
    user = _user() if os.geteuid() == 0 else None
    base = base or (Path("/var/lib/codexctl-ci/agents") if user else _cache(environ))
    home = base / name
    folder = home / "work"
    home.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        _clone(checkout, folder)
    if user is not None:
        # Only its own home belongs to that user, and whoever comes by may pass through to it.
        base.chmod(0o711)
        _give(home, user)
    home.chmod(0o700)
    env = {key: environ[key] for key in (*_KEPT, *keep) if key in environ}
    env |= {"HOME": str(home), "CODEX_HOME": str(home / "codex")}
    return Clone(LocalPlace(env, folder, user), folder)


def _clone(checkout: Path, folder: Path) -> None:
    fresh = folder.with_name("work.new")
    shutil.rmtree(fresh, ignore_errors=True)
    words = ["git", "-c", "core.hooksPath=/dev/null", "clone", "--quiet", "--no-hardlinks", "--no-tags"]
    done = process.run([*words, "--", str(checkout), str(fresh)], timeout=_GIT)
    if not done.ok:
        raise ConfigError(
            "the checkout cannot be cloned for the agent",
            where=str(checkout),
            reason=done.stderr.decode("utf-8", "replace").strip()[-300:],
        )
    # Neither the checkout's address nor its credentials are any business of the agent.
    done = process.run(["git", "-C", str(fresh), "remote", "remove", "origin"], timeout=_GIT)
    if not done.ok:
        raise CodexctlError("the agent's clone cannot be set up", obj=str(fresh))
    fresh.rename(folder)


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
