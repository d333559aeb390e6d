"""git over HTTP: who may, then the real `git http-backend`."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.github.api import has_right
from sandbox.github.bare_git import clean_environment
from sandbox.github.host import Actor, Host
from sandbox.github.shapes import allowed
from sandbox.github.state import Repository, Role, Token

_PATH = re.compile(
    r"/(?P<owner>[\w.-]+)/(?P<repo>[\w.-]+?)(?:\.git)?/(?P<tail>info/refs|git-upload-pack|git-receive-pack)"
)


@dataclass(frozen=True)
class GitAnswer:
    """A raw HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def password(authorization: str) -> str:
    """Return the token in a Basic or Bearer header, empty where there is none."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return ""
    return value.strip() if kind.lower() in {"bearer", "token"} else ""


def role_for_git(host: Host, repository: Repository, token: Token | None) -> Role | None:
    """Return what a token may do with the repository's commits."""
    if token is None:
        return None if repository.private else "read"
    names = token.repositories
    if names is not None and repository.full_name.lower() not in {name.lower() for name in names}:
        return None if repository.private else "read"
    own = "write" if token.kind in {"installation", "job"} else host.state.role(repository, token.login)
    if own is None or has_right(token, "contents:write"):
        return own
    return "read" if has_right(token, "contents:read") or not repository.private else None


def is_git(path: str) -> bool:
    """Say whether a path is git's."""
    return _PATH.fullmatch(path) is not None


def answer_git(
    host: Host,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    token: Token | None,
) -> GitAnswer:
    """Answer one request of git's smart HTTP protocol. A bad token must have been refused before."""
    found = _PATH.fullmatch(path)
    assert found is not None
    writing = "git-receive-pack" in (query, found["tail"]) or "service=git-receive-pack" in query
    with host.state.lock:
        repository = host.state.repository(f"{found['owner']}/{found['repo']}")
        role = role_for_git(host, repository, token) if repository else None
        if token is None and (writing or role is None):
            challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'}
            return GitAnswer(401, challenge, b"Authentication required")
        if repository is None or role is None:
            return GitAnswer(404, {}, b"Repository not found.")
        login = token.login if token else ""
        if writing and not allowed(role, "write"):
            text = f"Permission to {repository.full_name}.git denied to {login}."
            return GitAnswer(403, {}, text.encode())
        if found["tail"] == "git-receive-pack":
            before = host.git(repository).refs()
            answer = _backend(host, repository, method, found["tail"], query, headers, body, login)
            host.refs_changed(repository, before, host.git(repository).refs(), Actor(login, token))
            return answer
    return _backend(host, repository, method, found["tail"], query, headers, body, login)


def _backend(
    host: Host,
    repository: Repository,
    method: str,
    tail: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    login: str,
) -> GitAnswer:
    given = {name.lower(): value for name, value in headers.items()}
    environment = clean_environment() | {
        "GIT_PROJECT_ROOT": str(host.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.full_name.lower()}.git/{tail}",
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_TYPE": given.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": login,
        "REMOTE_ADDR": "127.0.0.1",
        "GIT_COMMITTER_NAME": login or "anonymous",
        "GIT_COMMITTER_EMAIL": "git@sandbox",
        # The repositories were made by this very process; git's check of owners has nothing to protect.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    for name, variable in (("content-encoding", "HTTP_CONTENT_ENCODING"), ("git-protocol", "GIT_PROTOCOL")):
        if name in given:
            environment[variable] = given[name]
    done = subprocess.run(
        ["git", "http-backend"], input=body, capture_output=True, env=environment, cwd=os.sep, check=False
    )
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(fields.pop("Status", "200").split()[0])
    if not head:
        return GitAnswer(500, {}, done.stderr)
    return GitAnswer(status, fields, rest)
