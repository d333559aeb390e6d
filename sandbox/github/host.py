"""The imitation's inside: state and git together, and the changes that have consequences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.github.bare_git import ZERO, BareRepository
from sandbox.github.contract.checks import RestContract
from sandbox.github.shapes import Shapes
from sandbox.github.state import (
    Comment,
    Edit,
    Issue,
    Label,
    Pull,
    Repository,
    Review,
    ReviewComment,
    State,
    Text,
    TimelineEvent,
    Token,
    timestamp,
)
from sandbox.github.webhooks import Outbox

_CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b", re.IGNORECASE)
Json = dict[str, Any]


@dataclass(frozen=True)
class Actor:
    """Who does something: a login, the token behind it, and whether that starts workflows."""

    login: str
    token: Token | None = None

    @property
    def starts_workflows(self) -> bool:
        """Say whether events of this actor start workflows: those of a job's own token don't."""
        return self.token is None or self.token.kind != "job"


def closing_numbers(text: str) -> list[int]:
    """Return the issues that a pull request's text says it closes."""
    return [int(number) for number in dict.fromkeys(_CLOSING.findall(text))]


@dataclass
class Host:
    """State, repositories on disk, rendering and webhooks. Callers hold `state.lock`."""

    state: State
    folder: Path
    url: str
    contract: RestContract
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build what hangs on the rest."""
        self.shapes = Shapes(self.state, self.url)
        self.outbox = Outbox(self.contract, self.violations)

    def git(self, repository: Repository) -> BareRepository:
        """Return the repository on disk."""
        return BareRepository(self.git_path(repository.full_name))

    def git_path(self, full_name: str) -> Path:
        """Return where a repository lies on disk."""
        return self.folder / f"{full_name.lower()}.git"

    def emit(self, repository: Repository, event: str, actor: Actor, payload: Json) -> None:
        """Send a webhook with the members that all of them share."""
        shared: Json = {
            "repository": self.shapes.repository(repository),
            "sender": self.shapes.short_user(actor.login),
        }
        self.outbox.emit(event, payload | shared, actor.starts_workflows)

    def issue_event(self, repository: Repository, issue: Issue, action: str, actor: Actor, **more: Any) -> None:
        """Send an `issues` or `pull_request` webhook."""
        if issue.pull:
            pull = self.shapes.pull(repository, issue, self.git(repository))
            payload = {"action": action, "number": issue.number, "pull_request": pull}
            self.emit(repository, "pull_request", actor, payload | more)
        else:
            payload = {"action": action, "issue": self.shapes.issue(repository, issue)}
            self.emit(repository, "issues", actor, payload | more)

    def note(self, issue: Issue, event: str, actor: Actor, **more: Any) -> TimelineEvent:
        """Add to an issue's timeline."""
        entry = TimelineEvent(self.state.next_id(), event, actor.login, timestamp(), **more)
        issue.timeline.append(entry)
        issue.updated_at = entry.created_at
        return entry

    def label(self, repository: Repository, name: str) -> Label:
        """Return the repository's label of that name; make it where there is none, as GitHub does."""
        return repository.labels.setdefault(name.lower(), Label(self.state.next_id(), name))

    def open_issue(
        self, repository: Repository, actor: Actor, title: str, body: str, pull: Pull | None = None
    ) -> Issue:
        """Create an issue or a pull request."""
        now = timestamp()
        number = max(repository.issues, default=0) + 1
        issue = Issue(self.state.next_id(), actor.login, body, now, now, number=number, title=title, pull=pull)
        repository.issues[number] = issue
        if pull:
            self._pull_refs(repository, issue)
        self.issue_event(repository, issue, "opened", actor)
        return issue

    def add_label(self, repository: Repository, issue: Issue, name: str, actor: Actor) -> None:
        """Put a label on an issue; one that is there already changes nothing."""
        label = self.label(repository, name)
        if any(item.lower() == name.lower() for item in issue.labels):
            return
        issue.labels.append(label.name)
        self.note(issue, "labeled", actor, label=label.name)
        self.issue_event(repository, issue, "labeled", actor, label=self.shapes.label(repository, label.name))

    def remove_label(self, repository: Repository, issue: Issue, name: str, actor: Actor) -> bool:
        """Take a label off; False where it wasn't there."""
        found = [item for item in issue.labels if item.lower() == name.lower()]
        if not found:
            return False
        issue.labels.remove(found[0])
        self.note(issue, "unlabeled", actor, label=found[0])
        self.issue_event(repository, issue, "unlabeled", actor, label=self.shapes.label(repository, found[0]))
        return True

    def set_state(self, repository: Repository, issue: Issue, state: str, reason: str | None, actor: Actor) -> None:
        """Close or reopen."""
        if issue.state == state:
            return
        issue.state = state
        closed = state == "closed"
        issue.closed_at = timestamp() if closed else None
        issue.closed_by = actor.login if closed else None
        issue.state_reason = None if issue.pull else (reason or ("completed" if closed else "reopened"))
        self.note(issue, "closed" if closed else "reopened", actor)
        self.issue_event(repository, issue, "closed" if closed else "reopened", actor)

    def rewrite(self, text: Text, body: str, actor: Actor) -> str:
        """Replace a text and remember the edit; return what stood there."""
        before, text.body = text.body, body
        text.updated_at = timestamp()
        text.edits.append(Edit(self.state.next_id(), actor.login, text.updated_at, before, body))
        return before

    def add_comment(self, repository: Repository, issue: Issue, body: str, actor: Actor) -> Comment:
        """Comment on an issue or pull request."""
        now = timestamp()
        comment = Comment(self.state.next_id(), actor.login, body, now, now, number=issue.number)
        issue.comments.append(comment)
        issue.updated_at = now
        self.comment_event(repository, issue, comment, "created", actor)
        return comment

    def comment_event(
        self, repository: Repository, issue: Issue, comment: Comment, action: str, actor: Actor, **more: Any
    ) -> None:
        """Send an `issue_comment` webhook."""
        payload = {
            "action": action,
            "issue": self.shapes.issue(repository, issue),
            "comment": self.shapes.comment(repository, comment),
        }
        self.emit(repository, "issue_comment", actor, payload | more)

    def review_event(self, repository: Repository, issue: Issue, review: Review, actor: Actor) -> None:
        """Send a `pull_request_review` webhook; its state is in lower case there."""
        shape = self.shapes.review(repository, issue.number, review)
        payload = {
            "action": "submitted",
            "review": {**shape, "state": review.state.lower()},
            "pull_request": self.shapes.pull(repository, issue, self.git(repository)),
        }
        self.emit(repository, "pull_request_review", actor, payload)

    def review_comment_event(self, repository: Repository, issue: Issue, comment: ReviewComment, actor: Actor) -> None:
        """Send a `pull_request_review_comment` webhook."""
        payload = {
            "action": "created",
            "comment": self.shapes.review_comment(repository, issue.number, comment),
            "pull_request": self.shapes.pull(repository, issue, self.git(repository)),
        }
        self.emit(repository, "pull_request_review_comment", actor, payload)

    def merged(self, repository: Repository, issue: Issue, commit: str, actor: Actor) -> None:
        """Record a merge; into the default branch it closes the issues that the text says it closes."""
        pull = issue.pull
        assert pull is not None
        pull.merged_at = timestamp()
        pull.merged_by = actor.login
        pull.merge_commit = commit
        self.note(issue, "merged", actor, commit=commit)
        self.set_state(repository, issue, "closed", None, actor)
        if pull.base == repository.default_branch:
            for number in closing_numbers(f"{issue.title}\n{issue.body}"):
                linked = repository.issues.get(number)
                if linked is not None and linked.pull is None:
                    self.set_state(repository, linked, "closed", "completed", actor)

    def delete_branch(self, repository: Repository, branch: str, actor: Actor) -> None:
        """Delete a branch, and close the open pull requests that came from it."""
        git = self.git(repository)
        before = git.refs()
        git.delete_ref(f"refs/heads/{branch}")
        self.refs_changed(repository, before, git.refs(), actor)

    def refs_changed(self, repository: Repository, before: dict[str, str], after: dict[str, str], actor: Actor) -> None:
        """Follow branches that moved: push events, heads of pull requests, merges made outside the API."""
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, ZERO), after.get(name, ZERO)
            if old == new:
                continue
            self._push_event(repository, name, old, new, actor)
            branch = name.removeprefix("refs/heads/")
            for owner in list(self.state.repositories.values()):
                for issue in [item for item in owner.issues.values() if item.pull and item.state == "open"]:
                    self._follow(owner, issue, repository, branch, new, actor)

    def _follow(self, owner: Repository, issue: Issue, pushed: Repository, branch: str, new: str, actor: Actor) -> None:
        pull = issue.pull
        assert pull is not None
        git = self.git(owner)
        if pull.head_repository == pushed.full_name and pull.head == branch:
            if new == ZERO:
                self.note(issue, "head_ref_deleted", actor)
                self.set_state(owner, issue, "closed", None, actor)
                return
            old, pull.head_sha = pull.head_sha, new
            if pushed is not owner:
                git.git("fetch", "-q", str(self.git_path(pushed.full_name)), new)
            self._pull_refs(owner, issue)
            self.issue_event(owner, issue, "synchronize", actor, before=old, after=new)
        elif owner is pushed and pull.base == branch and new != ZERO:
            pull.base_sha = new
            self._pull_refs(owner, issue)
            if git.is_ancestor(pull.head_sha, new):
                self.merged(owner, issue, new, actor)

    def _pull_refs(self, repository: Repository, issue: Issue) -> None:
        """Keep `refs/pull/<n>/head`, and `refs/pull/<n>/merge` where both sides merge without conflicts."""
        pull, git = issue.pull, self.git(repository)
        assert pull is not None
        git.set_ref(f"refs/pull/{issue.number}/head", pull.head_sha)
        merge = f"refs/pull/{issue.number}/merge"
        tree = git.mergeable(pull.base_sha, pull.head_sha)
        if tree is None:
            git.delete_ref(merge)
            return
        text = f"Merge {pull.head_sha} into {pull.base_sha}"
        parents = (pull.base_sha, pull.head_sha)
        git.set_ref(merge, git.commit_tree(tree, parents, text, "GitHub", "noreply@github.com"))

    def _push_event(self, repository: Repository, name: str, old: str, new: str, actor: Actor) -> None:
        git = self.git(repository)
        commits: list[Json] = []
        if new != ZERO:
            found = git.commits(old, new) if old != ZERO else [git.commit(new)]
            commits = [
                {
                    "id": item.sha,
                    "tree_id": item.tree,
                    "distinct": True,
                    "message": item.message,
                    "timestamp": item.date,
                    "url": f"{self.url}/{repository.full_name}/commit/{item.sha}",
                    "author": {"name": item.author_name, "email": item.author_email},
                    "committer": {"name": item.author_name, "email": item.author_email},
                    "added": [],
                    "removed": [],
                    "modified": [],
                }
                for item in found[-20:]
            ]
        payload: Json = {
            "ref": name,
            "before": old,
            "after": new,
            "created": old == ZERO,
            "deleted": new == ZERO,
            "forced": old != ZERO and new != ZERO and not git.is_ancestor(old, new),
            "base_ref": None,
            "compare": f"{self.url}/{repository.full_name}/compare/{old[:12]}...{new[:12]}",
            "commits": commits,
            "head_commit": commits[-1] if commits else None,
            "pusher": {"name": actor.login, "email": f"{actor.login}@users.noreply.sandbox"},
        }
        self.emit(repository, "push", actor, payload)
