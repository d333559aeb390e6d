"""Who may start a run: decided from the event and from what the API says of its people, never from a label alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARKER = "<!-- codexctl-ci:"
"""How each comment of ours begins, invisibly; such a comment never starts a run."""

WRITERS = frozenset({"admin", "maintain", "write"})


@dataclass(frozen=True, slots=True)
class Person:
    """One who stands behind a run, as the API knows them: ``kind`` is GitHub's account type (User, Bot)."""

    login: str
    kind: str
    permission: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``allowed``, or why not. ``quiet``: nothing is wrong, there is just nothing to do (ends green)."""

    allowed: bool
    reason: str = ""
    quiet: bool = False


def people_of(event: Mapping[str, Any], actor: str) -> tuple[str, ...]:
    """The logins whose consent counts: the event's sender, and who started this attempt (a re-run is an act too)."""
    sender = str((event.get("sender") or {}).get("login") or "")
    return tuple(dict.fromkeys(login for login in (sender, actor) if login))


def number_of(event: Mapping[str, Any]) -> int:
    """The issue or pull request that the event is about, 0 where it is about neither."""
    about = event.get("pull_request") or event.get("issue") or {}
    return int(about.get("number") or 0)


def judge_event(event: Mapping[str, Any], repo: str, own_login: str) -> Verdict:
    """Whether the event itself may start a run, whoever sent it."""
    pull = event.get("pull_request")
    if isinstance(pull, Mapping):
        head = ((pull.get("head") or {}).get("repo") or {}).get("full_name") or ""
        if head.lower() != repo.lower():
            return Verdict(False, f"pull requests from forks ({head or 'deleted'}) get no agent", quiet=True)
        if pull.get("state", "open") != "open":
            return Verdict(False, f"pull request #{pull.get('number')} is closed")
    issue = event.get("issue")
    if isinstance(issue, Mapping) and issue.get("state", "open") != "open":
        return Verdict(False, f"issue #{issue.get('number')} is closed")
    author = str((_said(event).get("user") or {}).get("login") or "")
    if may_be_ours(event) and author.lower() == own_login.lower():
        return Verdict(False, "this is a comment of ours", quiet=True)
    return Verdict(True)


def may_be_ours(event: Mapping[str, Any]) -> bool:
    """Whether the event's comment or review looks like ours, so that it matters who we are."""
    return MARKER in str(_said(event).get("body") or "")


def _said(event: Mapping[str, Any]) -> Mapping[str, Any]:
    said = event.get("comment") or event.get("review")
    return said if isinstance(said, Mapping) else {}


def judge_person(person: Person, allowed_users: tuple[str, ...]) -> Verdict:
    """Whether this person may. A list narrows, it never widens; a bot must be of type Bot and on the list, and no more:
    GitHub gives Apps no permission of their own as collaborators."""
    listed = person.login.lower() in {name.lower() for name in allowed_users}
    looks_like_bot = person.login.lower().endswith("[bot]")
    if person.kind == "Bot" or looks_like_bot:
        if person.kind != "Bot":
            return Verdict(False, f"{person.login} calls itself a bot and is none")
        if not listed:
            return Verdict(False, f"the bot {person.login} is not in CODEXCTL_ALLOWED_USERS")
        return Verdict(True)
    if allowed_users and not listed:
        return Verdict(False, f"{person.login} is not in CODEXCTL_ALLOWED_USERS")
    if person.permission not in WRITERS:
        return Verdict(False, f"{person.login} has {person.permission or 'no'} permission here, and write is needed")
    return Verdict(True)
