"""What the imitation remembers: users, tokens, repositories, issues, pull requests and their talk."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Role = Literal["admin", "maintain", "write", "triage", "read"]
ROLES: tuple[Role, ...] = ("read", "triage", "write", "maintain", "admin")


def timestamp() -> str:
    """Return the current time as GitHub writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class User:
    """An account. `type` is User, Bot or Organization."""

    id: int
    login: str
    type: str = "User"
    name: str | None = None
    email: str | None = None

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"{'BOT' if self.type == 'Bot' else 'U'}_{self.id}"


@dataclass
class Token:
    """A credential. `rights` maps a fine right (`issues`) to `read` or `write`; None is all its user's.

    `kind` is `personal`, `installation` or `job`; what a job's token does starts no workflows.
    """

    value: str
    login: str
    kind: str = "personal"
    rights: dict[str, str] | None = None
    repositories: tuple[str, ...] | None = None
    expires_at: str | None = None
    revoked: bool = False


@dataclass
class App:
    """A GitHub App and its one installation. `public_key` (PEM) verifies its signed requests."""

    id: int
    slug: str
    public_key: str
    installation_id: int
    account: str
    rights: dict[str, str]
    repositories: tuple[str, ...] = ()


@dataclass
class Edit:
    """One earlier text of an issue or comment, and who replaced it when."""

    id: int
    editor: str
    edited_at: str
    before: str
    after: str


@dataclass
class Text:
    """What every written thing has: author, body, times, edits and whether it is hidden."""

    id: int
    author: str
    body: str
    created_at: str
    updated_at: str
    edits: list[Edit] = field(default_factory=list)
    minimized: str | None = None


@dataclass
class Comment(Text):
    """A comment on an issue or a pull request."""

    number: int = 0

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"IC_{self.id}"


@dataclass
class ReviewComment(Text):
    """A comment on a line of a pull request. `thread` is the id of the comment that opened the thread."""

    review: int = 0
    path: str = ""
    line: int | None = None
    start_line: int | None = None
    side: str = "RIGHT"
    commit: str = ""
    original_line: int | None = None
    diff_hunk: str = ""
    thread: int = 0

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"PRRC_{self.id}"


@dataclass
class Review(Text):
    """A review. `state`: PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED or DISMISSED."""

    state: str = "COMMENTED"
    commit: str = ""

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"PRR_{self.id}"


@dataclass
class Thread:
    """A thread of review comments. Its id is that of its first comment."""

    id: int
    resolved_by: str | None = None

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"PRRT_{self.id}"


@dataclass
class TimelineEvent:
    """Something that happened to an issue; `event` is GitHub's word for it, such as labeled or closed."""

    id: int
    event: str
    actor: str
    created_at: str
    label: str | None = None
    commit: str | None = None
    rename: tuple[str, str] | None = None


@dataclass
class Pull:
    """What a pull request has beyond its issue. `head_repository` is an `owner/name`, of a fork perhaps."""

    base: str
    head: str
    head_repository: str
    base_sha: str
    head_sha: str
    draft: bool = False
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    reviews: list[Review] = field(default_factory=list)
    comments: list[ReviewComment] = field(default_factory=list)
    threads: dict[int, Thread] = field(default_factory=dict)


@dataclass
class Issue(Text):
    """An issue, or with `pull` a pull request."""

    number: int = 0
    title: str = ""
    state: str = "open"
    state_reason: str | None = None
    closed_at: str | None = None
    closed_by: str | None = None
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    timeline: list[TimelineEvent] = field(default_factory=list)
    pull: Pull | None = None

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"{'PR' if self.pull else 'I'}_{self.id}"


@dataclass
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass
class Runner:
    """A self-hosted runner as the API lists it."""

    id: int
    name: str
    labels: tuple[str, ...]
    status: str = "online"
    busy: bool = False


@dataclass
class Repository:
    """A repository; its commits live in a bare git repository on disk."""

    id: int
    owner: str
    name: str
    private: bool = True
    default_branch: str = "main"
    fork_of: str | None = None
    created_at: str = field(default_factory=timestamp)
    collaborators: dict[str, Role] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    runners: list[Runner] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environments: list[str] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """Return `owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def node_id(self) -> str:
        """Return the GraphQL id."""
        return f"R_{self.id}"


@dataclass
class State:
    """Everything, behind one lock that every request holds while it looks or changes."""

    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    runs: dict[int, dict[str, str]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))

    def next_id(self) -> int:
        """Return a number that no other object has."""
        return next(self.ids)

    def repository(self, full_name: str) -> Repository | None:
        """Find a repository by `owner/name`, whatever its case."""
        return self.repositories.get(full_name.lower())

    def add_repository(self, repository: Repository) -> None:
        """Store a repository."""
        self.repositories[repository.full_name.lower()] = repository

    def user(self, login: str) -> User | None:
        """Find a user by login, whatever its case."""
        return self.users.get(login.lower())

    def role(self, repository: Repository, login: str) -> Role | None:
        """Return the role that a user has in a repository; None is none at all."""
        if login.lower() == repository.owner.lower():
            return "admin"
        given = {name.lower(): role for name, role in repository.collaborators.items()}
        if login.lower() in given:
            return given[login.lower()]
        return None if repository.private else "read"
