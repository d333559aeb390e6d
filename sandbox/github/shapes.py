"""How users, repositories, issues and pull requests look in GitHub's REST answers.

Only what a client can rely on is written here; `Completion` adds the members that GitHub always sends.
"""

from __future__ import annotations

from typing import Any

from sandbox.github.bare_git import BareRepository
from sandbox.github.git_shapes import GitShapes
from sandbox.github.state import (
    ROLES,
    Comment,
    Issue,
    Label,
    Repository,
    Review,
    ReviewComment,
    Role,
    State,
    Text,
    TimelineEvent,
    User,
)

Json = dict[str, Any]
_RIGHTS = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}


def allowed(role: Role | None, needed: Role) -> bool:
    """Say whether a role includes another."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)


class Shapes(GitShapes):
    """Renders state as GitHub's JSON. `url` is the server's own, without a slash at its end."""

    def __init__(self, state: State, url: str) -> None:
        super().__init__(url)
        self._state = state

    def user(self, login: str) -> Json:
        """Render a user; one that was never created is a ghost of that name."""
        user = self._state.user(login) or User(0, login)
        api = f"{self._api}/users/{user.login}"
        links = {
            name: f"{api}/{tail}"
            for name, tail in {
                "followers_url": "followers",
                "following_url": "following{/other_user}",
                "gists_url": "gists{/gist_id}",
                "starred_url": "starred{/owner}{/repo}",
                "subscriptions_url": "subscriptions",
                "organizations_url": "orgs",
                "repos_url": "repos",
                "events_url": "events{/privacy}",
                "received_events_url": "received_events",
            }.items()
        }
        return {
            "login": user.login,
            "id": user.id,
            "node_id": user.node_id,
            "type": user.type,
            "name": user.name,
            "email": user.email,
            "site_admin": False,
            "avatar_url": f"{self._url}/avatars/{user.id}",
            "gravatar_id": "",
            "url": api,
            "html_url": f"{self._url}/{user.login}",
            **links,
        }

    def short_user(self, login: str | None) -> Json | None:
        """Render a user as other objects hold it."""
        if login is None:
            return None
        return {key: value for key, value in self.user(login).items() if key not in {"name", "email"}}

    def repository(self, repository: Repository, role: Role | None = "read") -> Json:
        """Render a repository as somebody with this role sees it."""
        html = f"{self._url}/{repository.full_name}"
        return {
            "id": repository.id,
            "node_id": repository.node_id,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "owner": self.short_user(repository.owner),
            "html_url": html,
            "url": f"{self._api}/repos/{repository.full_name}",
            "clone_url": f"{html}.git",
            "git_url": f"{html}.git",
            "ssh_url": f"{html}.git",
            "description": None,
            "fork": repository.fork_of is not None,
            "default_branch": repository.default_branch,
            "created_at": repository.created_at,
            "updated_at": repository.created_at,
            "pushed_at": repository.created_at,
            "has_issues": True,
            "archived": False,
            "disabled": False,
            "license": None,
            "permissions": {name: allowed(role, needed) for name, needed in _RIGHTS.items()},  # type: ignore[arg-type]
        }

    def label(self, repository: Repository, name: str) -> Json:
        """Render a label."""
        label = repository.labels.get(name.lower()) or Label(0, name)
        return {
            "id": label.id,
            "node_id": f"LA_{label.id}",
            "url": f"{self._api}/repos/{repository.full_name}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
        }

    def association(self, repository: Repository, login: str) -> str:
        """Say what an author is to a repository, as GitHub does beside each text."""
        if login.lower() == repository.owner.lower():
            return "OWNER"
        given = {name.lower() for name in repository.collaborators}
        return "COLLABORATOR" if login.lower() in given else "NONE"

    def _text(self, repository: Repository, item: Text) -> Json:
        return {
            "id": item.id,
            "body": item.body,
            "user": self.short_user(item.author),
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "author_association": self.association(repository, item.author),
        }

    def issue(self, repository: Repository, issue: Issue) -> Json:
        """Render an issue, or a pull request as the issues' endpoints show it."""
        html = f"{self._url}/{repository.full_name}/{'pull' if issue.pull else 'issues'}/{issue.number}"
        api = f"{self._api}/repos/{repository.full_name}/issues/{issue.number}"
        done: Json = {
            **self._text(repository, issue),
            "node_id": issue.node_id,
            "number": issue.number,
            "title": issue.title,
            "state": issue.state,
            "state_reason": issue.state_reason,
            "locked": False,
            "active_lock_reason": None,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "labels": [self.label(repository, name) for name in issue.labels],
            "comments": len(issue.comments),
            "closed_at": issue.closed_at,
            "closed_by": self.short_user(issue.closed_by),
            "url": api,
            "html_url": html,
            "repository_url": f"{self._api}/repos/{repository.full_name}",
            "labels_url": f"{api}/labels{{/name}}",
            "comments_url": f"{api}/comments",
            "events_url": f"{api}/events",
            "timeline_url": f"{api}/timeline",
            "performed_via_github_app": None,
        }
        if issue.pull:
            pull = f"{self._api}/repos/{repository.full_name}/pulls/{issue.number}"
            done["pull_request"] = {
                "url": pull,
                "html_url": html,
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "merged_at": issue.pull.merged_at,
            }
            done["draft"] = issue.pull.draft
        return done

    def comment(self, repository: Repository, comment: Comment) -> Json:
        """Render a comment of an issue."""
        api = f"{self._api}/repos/{repository.full_name}"
        html = f"{self._url}/{repository.full_name}/issues/{comment.number}"
        return {
            **self._text(repository, comment),
            "node_id": comment.node_id,
            "url": f"{api}/issues/comments/{comment.id}",
            "html_url": f"{html}#issuecomment-{comment.id}",
            "issue_url": f"{api}/issues/{comment.number}",
            "performed_via_github_app": None,
        }

    def event(self, repository: Repository, event: TimelineEvent) -> Json:
        """Render one entry of an issue's events."""
        done: Json = {
            "id": event.id,
            "node_id": f"EV_{event.id}",
            "url": f"{self._api}/repos/{repository.full_name}/issues/events/{event.id}",
            "actor": self.short_user(event.actor),
            "event": event.event,
            "commit_id": event.commit,
            "commit_url": None,
            "created_at": event.created_at,
            "performed_via_github_app": None,
        }
        if event.label is not None:
            done["label"] = {
                "name": event.label,
                "color": self.label(repository, event.label)["color"],
            }
        if event.rename is not None:
            done["rename"] = {"from": event.rename[0], "to": event.rename[1]}
        if event.event in {"closed", "reopened"}:
            done["state_reason"] = None
        return done

    def pull(self, repository: Repository, issue: Issue, git: BareRepository) -> Json:
        """Render a pull request in full."""
        pull = issue.pull
        assert pull is not None
        api = f"{self._api}/repos/{repository.full_name}/pulls/{issue.number}"
        head = self._state.repository(pull.head_repository)
        kept = ("url", "events_url", "timeline_url", "pull_request", "repository_url", "labels_url")
        base = {key: value for key, value in self.issue(repository, issue).items() if key not in kept}
        mergeable = issue.state == "open" and git.mergeable(pull.base_sha, pull.head_sha) is not None
        tail = {name: {"href": f"{api}/{name}"} for name in ("comments", "commits", "review_comments", "statuses")}
        side = {
            "html": {"href": base["html_url"]},
            "issue": {"href": f"{self._api}/repos/{repository.full_name}/issues/{issue.number}"},
            "self": {"href": api},
            "review_comment": {"href": f"{self._api}/repos/{repository.full_name}/pulls/comments{{/number}}"},
        }
        return {
            **base,
            "url": api,
            "issue_url": side["issue"]["href"],
            "diff_url": f"{base['html_url']}.diff",
            "patch_url": f"{base['html_url']}.patch",
            "commits_url": f"{api}/commits",
            "review_comments_url": f"{api}/comments",
            "review_comment_url": side["review_comment"]["href"],
            "statuses_url": f"{self._api}/repos/{repository.full_name}/statuses/{pull.head_sha}",
            "draft": pull.draft,
            "merged": pull.merged_at is not None,
            "merged_at": pull.merged_at,
            "merged_by": self.short_user(pull.merged_by),
            "merge_commit_sha": pull.merge_commit,
            "mergeable": mergeable if issue.state == "open" else None,
            "mergeable_state": "clean" if mergeable else "dirty",
            "rebaseable": mergeable,
            "auto_merge": None,
            "requested_reviewers": [],
            "requested_teams": [],
            "review_comments": len(pull.comments),
            "maintainer_can_modify": False,
            "commits": len(git.commits(pull.base_sha, pull.head_sha)),
            "additions": 0,
            "deletions": 0,
            "changed_files": len(git.changed_files(pull.base_sha, pull.head_sha)),
            "head": self._side(head, pull.head_repository, pull.head, pull.head_sha),
            "base": self._side(repository, repository.full_name, pull.base, pull.base_sha),
            "_links": side | tail,
        }

    def _side(self, repository: Repository | None, full_name: str, branch: str, sha: str) -> Json:
        owner = full_name.split("/")[0]
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.short_user(owner),
            "repo": self.repository(repository) if repository else None,
        }

    def review(self, repository: Repository, number: int, review: Review) -> Json:
        """Render a review."""
        api = f"{self._api}/repos/{repository.full_name}/pulls/{number}"
        html = f"{self._url}/{repository.full_name}/pull/{number}#pullrequestreview-{review.id}"
        text = self._text(repository, review)
        return {
            **{key: value for key, value in text.items() if key not in {"created_at", "updated_at"}},
            "node_id": review.node_id,
            "state": review.state,
            "submitted_at": review.created_at,
            "commit_id": review.commit,
            "html_url": html,
            "pull_request_url": api,
            "_links": {"html": {"href": html}, "pull_request": {"href": api}},
        }

    def review_comment(self, repository: Repository, number: int, comment: ReviewComment) -> Json:
        """Render a comment on a line."""
        api = f"{self._api}/repos/{repository.full_name}/pulls"
        html = f"{self._url}/{repository.full_name}/pull/{number}#discussion_r{comment.id}"
        done: Json = {
            **self._text(repository, comment),
            "node_id": comment.node_id,
            "pull_request_review_id": comment.review,
            "path": comment.path,
            "line": comment.line,
            "original_line": comment.original_line,
            "start_line": comment.start_line,
            "original_start_line": comment.start_line,
            "side": comment.side,
            "start_side": comment.side if comment.start_line else None,
            "position": comment.line,
            "original_position": comment.original_line,
            "subject_type": "line",
            "commit_id": comment.commit,
            "original_commit_id": comment.commit,
            "diff_hunk": comment.diff_hunk,
            "url": f"{api}/comments/{comment.id}",
            "html_url": html,
            "pull_request_url": f"{api}/{number}",
            "_links": {
                "self": {"href": f"{api}/comments/{comment.id}"},
                "html": {"href": html},
                "pull_request": {"href": f"{api}/{number}"},
            },
        }
        if comment.thread != comment.id:
            done["in_reply_to_id"] = comment.thread
        return done
