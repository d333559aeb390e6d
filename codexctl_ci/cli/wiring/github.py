"""GitHub from a command's settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import ConfigError
from codexctl_ci.github.client import GitHub, Identity
from codexctl_ci.guardrails.branches import issue_branch, issue_of

_EVENT_LIMIT = 25 * 1024 * 1024


def open_github(call: Invocation) -> GitHub:
    """The repository that the command is about, as the token's owner or the App."""
    settings = call.settings
    identity = Identity(settings[o.GH_PAT], settings[o.APP_ID], settings[o.APP_PRIVATE_KEY])
    api = call.environ.get("GITHUB_API_URL") or "https://api.github.com"
    authorities = call.environ.get("SSL_CERT_FILE") or call.environ.get("REQUESTS_CA_BUNDLE") or ""
    return GitHub(identity, settings[o.REPO], api, authorities=authorities)


def github_or_none(call: Invocation) -> GitHub | None:
    """The same, or None where no token was given: the command can do without."""
    settings = call.settings
    return open_github(call) if settings[o.REPO] and (settings[o.GH_PAT] or settings[o.APP_ID]) else None


def server_url(call: Invocation) -> str:
    """Where people and git find repositories."""
    return (call.environ.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")


def run_url(call: Invocation) -> str:
    """The page of this workflow run, empty outside of one."""
    run = call.environ.get("GITHUB_RUN_ID", "")
    return f"{server_url(call)}/{call.settings[o.REPO]}/actions/runs/{run}" if run else ""


def read_event(call: Invocation) -> Mapping[str, Any]:
    """The event's payload; empty where the command runs outside of a workflow."""
    name = call.settings[o.EVENT]
    if not name:
        return {}
    path = Path(name)
    try:
        if path.stat().st_size > _EVENT_LIMIT:
            raise ConfigError(f"{name}: larger than an event's payload can be")
        event = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{name}: the event's payload cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{name}: the event's payload is not JSON") from None
    if not isinstance(event, dict):
        raise ConfigError(f"{name}: the event's payload is not a JSON object")
    return event


def issue_number(call: Invocation) -> int:
    """The issue in question: given, or named by the agent's branch; 0 where neither says."""
    return call.settings[o.ISSUE] or issue_of(call.settings[o.BRANCH])


def branch_name(call: Invocation) -> str:
    """The branch in question: given, or the one that belongs to the issue. Raises ConfigError where neither is."""
    if call.settings[o.BRANCH]:
        return call.settings[o.BRANCH]
    if call.settings[o.ISSUE]:
        repair = call.settings[o.ENVIRONMENT] == "ai-repair"
        return issue_branch(call.settings[o.ISSUE], repair=repair)
    raise ConfigError("no branch", hint="give --branch or --issue")
