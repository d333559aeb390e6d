"""What the identity that we write with may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NEEDED_RIGHTS = ("contents", "issues", "pull_requests")
"""What an App or a fine-grained token must be able to write."""

ROLES = ("admin", "maintain", "push", "triage", "pull")
"""GitHub's roles in a repository, best first."""

PUSHING_ROLES = frozenset({"admin", "maintain", "push"})


@dataclass(frozen=True, slots=True)
class Access:
    """``role`` is the best one of ``ROLES``, ``none`` without one. ``rights`` are an App's (name to ``read`` or
    ``write``). ``scopes`` are those of a classic token, None for tokens of another kind.
    """

    login: str
    role: str
    is_app: bool = False
    rights: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] | None = None
