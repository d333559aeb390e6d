"""What GitHub knows of a person here."""

from __future__ import annotations

from urllib.parse import quote

from codexctl_ci.github.client import GitHub
from codexctl_ci.guardrails.consent import Person


def person(github: GitHub, login: str) -> Person:
    """The account's type and its permission in this repository; unknown people and strangers have none."""
    access = github.find(f"collaborators/{quote(login)}/permission") or {}
    # Apps are no collaborators: the answer is the same as for nobody, and only their account tells them apart.
    account = access.get("user") or github.find(f"/users/{quote(login)}") or {}
    return Person(
        login=login,
        kind=str(account.get("type") or ""),
        permission=str(access.get("permission") or "none"),
    )
