"""How issues, pull requests and their threads look as nodes of GitHub's GraphQL schema."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from graphql import GraphQLError

from sandbox.github.api import Call
from sandbox.github.contract.checks import Operation
from sandbox.github.host import Actor, Host, closing_numbers
from sandbox.github.pulls_api import pull_of
from sandbox.github.state import Issue, Repository, Text, Thread, Token

Node = dict[str, Any]


class Refused(GraphQLError):
    """An error that carries GitHub's own `type`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def connection(items: Sequence[Any], render: Callable[[Any], Node]) -> Callable[..., Node]:
    """Return a resolver that cuts a list by `first`/`after` or `last`/`before`."""

    def resolve(_info: Any, **given: Any) -> Node:
        if given.get("first") is None and given.get("last") is None:
            raise Refused("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to paginate.")
        start, end = 0, len(items)
        if given.get("after"):
            start = _position(given["after"]) + 1
        if given.get("before"):
            end = _position(given["before"])
        if given.get("first") is not None:
            end = min(end, start + given["first"])
        else:
            start = max(start, end - given["last"])
        shown = [(_cursor(place), render(items[place])) for place in range(start, end)]
        return {
            "totalCount": len(items),
            "filteredCount": len(items),
            "pageCount": len(shown),
            "nodes": [node for _, node in shown],
            "edges": [{"cursor": cursor, "node": node} for cursor, node in shown],
            "pageInfo": {
                "startCursor": shown[0][0] if shown else None,
                "endCursor": shown[-1][0] if shown else None,
                "hasNextPage": end < len(items),
                "hasPreviousPage": start > 0,
            },
        }

    return resolve


def _cursor(position: int) -> str:
    return base64.b64encode(f"cursor:{position}".encode()).decode()


def _position(cursor: str) -> int:
    return int(base64.b64decode(cursor).decode().removeprefix("cursor:"))


class Nodes:
    """Renders state as GraphQL nodes for one caller."""

    def __init__(self, host: Host, token: Token) -> None:
        self._host = host
        self._token = token
        self._actor = Actor(token.login, token)

    def role(self, repository: Repository) -> Any:
        """Return the caller's role, by the same rule as the REST API's."""
        return self.call(repository).role(repository)

    def call(self, repository: Repository) -> Call:
        """Return the caller's REST call on a repository, for rules that both APIs share."""
        operation: Any = Operation("graphql", "POST", "", (), None, {}, None)  # type: ignore[arg-type]
        path = {"owner": repository.owner, "repo": repository.name}
        return Call(self._host, operation, path, {}, None, self._token, "")

    def user(self, login: str | None) -> Node | None:
        """Render a user or a bot; nobody is null."""
        if login is None:
            return None
        shape = self._host.shapes.user(login)
        bot = shape["type"] == "Bot"
        return {
            "__typename": "Bot" if bot else "User",
            "id": shape["node_id"],
            "databaseId": shape["id"],
            # GraphQL leaves the ending of an app's login out.
            "login": shape["login"].removesuffix("[bot]") if bot else shape["login"],
            "name": shape["name"],
            "email": shape["email"] or "",
            "url": shape["html_url"],
            "resourcePath": f"/{shape['login']}",
            "avatarUrl": lambda _info, **_: shape["avatar_url"],
        }

    def _text(self, repository: Repository, item: Text) -> Node:
        edits = [
            {
                "id": f"UCE_{edit.id}",
                "createdAt": edit.edited_at,
                "editedAt": edit.edited_at,
                "updatedAt": edit.edited_at,
                "deletedAt": None,
                "deletedBy": None,
                "diff": edit.after,
                "editor": self.user(edit.editor),
            }
            for edit in item.edits
        ]
        if edits:
            # The list goes from the newest to the text as it was first written.
            first = dict(edits[0], id=f"UCE_{item.id}", createdAt=item.created_at, editedAt=item.created_at)
            first |= {"diff": item.edits[0].before, "editor": self.user(item.author)}
            edits.insert(0, first)
        return {
            "databaseId": item.id,
            "fullDatabaseId": str(item.id),
            "author": self.user(item.author),
            "authorAssociation": self._host.shapes.association(repository, item.author),
            "body": item.body,
            "bodyText": item.body,
            "createdAt": item.created_at,
            "publishedAt": item.created_at,
            "updatedAt": item.updated_at,
            "lastEditedAt": item.edits[-1].edited_at if item.edits else None,
            "editor": self.user(item.edits[-1].editor) if item.edits else None,
            "includesCreatedEdit": bool(item.edits),
            "userContentEdits": connection(list(reversed(edits)), dict),
            "viewerDidAuthor": item.author == self._token.login,
            "isMinimized": item.minimized is not None,
            "minimizedReason": item.minimized,
        }

    def repository(self, repository: Repository) -> Node:
        """Render a repository."""
        shape = self._host.shapes.repository(repository)
        git = self._host.git(repository)
        refs = git.refs("refs/")

        def ref(name: str) -> Node | None:
            full = name if name.startswith("refs/") else f"refs/heads/{name}"
            if full not in refs:
                return None
            prefix, _, short = full.rpartition("/") if full.count("/") == 2 else ("refs/heads", "", full[11:])
            target = {"__typename": "Commit", "id": f"C_{refs[full]}", "oid": refs[full]}
            return {"id": f"REF_{full}", "name": short, "prefix": f"{prefix}/", "target": target}

        def one(number: int, pull: bool | None) -> Node:
            issue = repository.issues.get(number)
            if issue is None or (pull is not None and (issue.pull is not None) != pull):
                kind = {True: "a PullRequest", False: "an Issue", None: "an issue or pull request"}[pull]
                raise Refused("NOT_FOUND", f"Could not resolve to {kind} with the number of {number}.")
            return self.issue(repository, issue)

        pulls = [item for item in repository.issues.values() if item.pull]
        role = self.role(repository)
        return {
            "__typename": "Repository",
            "id": repository.node_id,
            "databaseId": repository.id,
            "name": repository.name,
            "nameWithOwner": repository.full_name,
            "owner": self.user(repository.owner),
            "url": shape["html_url"],
            "isPrivate": repository.private,
            "viewerPermission": role.upper() if role else None,
            "defaultBranchRef": ref(repository.default_branch),
            "ref": lambda _info, qualifiedName: ref(qualifiedName),
            "issue": lambda _info, number: one(number, False),
            "pullRequest": lambda _info, number: one(number, True),
            "issueOrPullRequest": lambda _info, number: one(number, None),
            "pullRequests": lambda info, states=None, headRefName=None, baseRefName=None, **given: connection(
                [
                    item
                    for item in pulls
                    if item.pull
                    and (not states or self._state(item) in states)
                    and headRefName in {None, item.pull.head}
                    and baseRefName in {None, item.pull.base}
                ],
                lambda item: self.issue(repository, item),
            )(info, **given),
        }

    @staticmethod
    def _state(issue: Issue) -> str:
        merged = issue.pull is not None and issue.pull.merged_at is not None
        return "MERGED" if merged else issue.state.upper()

    def issue(self, repository: Repository, issue: Issue) -> Node:
        """Render an issue or a pull request."""
        shapes = self._host.shapes
        node: Node = {
            **self._text(repository, issue),
            "__typename": "PullRequest" if issue.pull else "Issue",
            "id": issue.node_id,
            "number": issue.number,
            "title": issue.title,
            "url": shapes.issue(repository, issue)["html_url"],
            "state": self._state(issue),
            "closed": issue.state == "closed",
            "closedAt": issue.closed_at,
            "repository": lambda _info: self.repository(repository),
            "labels": connection(
                issue.labels,
                lambda name: {
                    "id": shapes.label(repository, name)["node_id"],
                    **{key: shapes.label(repository, name)[key] for key in ("name", "color", "description")},
                },
            ),
            "comments": connection(
                issue.comments,
                lambda item: {
                    **self._text(repository, item),
                    "__typename": "IssueComment",
                    "id": item.node_id,
                    "url": shapes.comment(repository, item)["html_url"],
                },
            ),
            "timelineItems": lambda info, itemTypes=None, **given: self._timeline(repository, issue, itemTypes)(
                info, **given
            ),
        }
        if issue.pull:
            node |= self._pull(repository, issue)
        return node

    def _timeline(self, repository: Repository, issue: Issue, kinds: list[str] | None) -> Callable[..., Node]:
        shown = [
            item
            for item in issue.timeline
            if item.event in {"labeled", "unlabeled", "closed", "reopened"}
            and (not kinds or f"{item.event.upper()}_EVENT" in kinds)
        ]
        return connection(
            shown,
            lambda item: {
                "__typename": f"{item.event.capitalize()}Event",
                "id": f"EV_{item.id}",
                "actor": self.user(item.actor),
                "createdAt": item.created_at,
                "label": {key: self._host.shapes.label(repository, item.label or "")[key] for key in ("name", "color")}
                | {"id": f"LA_{item.label}"},
            },
        )

    def _pull(self, repository: Repository, issue: Issue) -> Node:
        pull, git = pull_of(issue), self._host.git(repository)
        source = self._host.state.repository(pull.head_repository)
        mergeable = git.mergeable(pull.base_sha, pull.head_sha) is not None
        opinions = [item.state for item in pull.reviews if item.state in {"APPROVED", "CHANGES_REQUESTED"}]
        return {
            "baseRefName": pull.base,
            "baseRefOid": pull.base_sha,
            "headRefName": pull.head,
            "headRefOid": pull.head_sha,
            "headRef": lambda _info: source and self.repository(source)["ref"](None, pull.head),
            "headRepository": lambda _info: source and self.repository(source),
            "isCrossRepository": pull.head_repository != repository.full_name,
            "isDraft": pull.draft,
            "merged": pull.merged_at is not None,
            "mergedAt": pull.merged_at,
            "mergeable": "MERGEABLE" if mergeable else "CONFLICTING",
            "reviewDecision": opinions[-1] if opinions else None,
            "reviews": connection(pull.reviews, lambda item: self._review(repository, issue, item)),
            "reviewThreads": connection(list(pull.threads.values()), lambda item: self.thread(repository, issue, item)),
            "closingIssuesReferences": connection(
                [repository.issues[number] for number in self._closing(repository, issue)],
                lambda item: self.issue(repository, item),
            ),
        }

    @staticmethod
    def _closing(repository: Repository, issue: Issue) -> list[int]:
        return [number for number in closing_numbers(issue.body) if number in repository.issues]

    def _review(self, repository: Repository, issue: Issue, review: Any) -> Node:
        return {
            **self._text(repository, review),
            "__typename": "PullRequestReview",
            "id": review.node_id,
            "state": review.state,
            "submittedAt": review.created_at,
            "url": self._host.shapes.review(repository, issue.number, review)["html_url"],
            "commit": {"id": f"C_{review.commit}", "oid": review.commit},
            "comments": connection(
                [item for item in pull_of(issue).comments if item.review == review.id],
                lambda item: self.line_comment(repository, issue, item),
            ),
        }

    def line_comment(self, repository: Repository, issue: Issue, item: Any) -> Node:
        """Render a comment on a line."""
        pull = pull_of(issue)
        first = next((entry for entry in pull.comments if entry.id == item.thread), item)
        review = next((entry for entry in pull.reviews if entry.id == item.review), None)
        return {
            **self._text(repository, item),
            "__typename": "PullRequestReviewComment",
            "id": item.node_id,
            "path": item.path,
            "line": item.line,
            "startLine": item.start_line,
            "originalLine": item.original_line,
            "diffHunk": item.diff_hunk,
            "outdated": item.commit != pull.head_sha,
            "state": "SUBMITTED",
            "url": self._host.shapes.review_comment(repository, issue.number, item)["html_url"],
            "commit": {"id": f"C_{item.commit}", "oid": item.commit},
            "replyTo": None if first is item else lambda _info: self.line_comment(repository, issue, first),
            "pullRequestReview": lambda _info: review and self._review(repository, issue, review),
        }

    def thread(self, repository: Repository, issue: Issue, thread: Thread) -> Node:
        """Render a thread of review comments."""
        comments = [item for item in pull_of(issue).comments if item.thread == thread.id]
        first = comments[0]
        return {
            "__typename": "PullRequestReviewThread",
            "id": thread.node_id,
            "isResolved": thread.resolved_by is not None,
            "isCollapsed": thread.resolved_by is not None,
            "isOutdated": first.commit != pull_of(issue).head_sha,
            "resolvedBy": self.user(thread.resolved_by),
            "path": first.path,
            "line": first.line,
            "startLine": first.start_line,
            "originalLine": first.original_line,
            "diffSide": first.side,
            "subjectType": "LINE",
            "viewerCanReply": True,
            "viewerCanResolve": True,
            "viewerCanUnresolve": True,
            "repository": lambda _info: self.repository(repository),
            "pullRequest": lambda _info: self.issue(repository, issue),
            "comments": connection(comments, lambda item: self.line_comment(repository, issue, item)),
        }

    def find(self, node_id: str) -> tuple[Repository, Issue, Any]:
        """Return the object of a node id that belongs to an issue, and where it is."""
        for repository in self._host.state.repositories.values():
            if self.role(repository) is None:
                continue
            for issue in repository.issues.values():
                pull = issue.pull
                parts: list[Any] = [issue, *issue.comments]
                if pull:
                    parts += [*pull.reviews, *pull.comments, *pull.threads.values()]
                for part in parts:
                    if part.node_id == node_id:
                        return repository, issue, part
        raise Refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'")

    def node(self, node_id: str) -> Node:
        """Render any object that has a node id."""
        repository, issue, part = self.find(node_id)
        if part is issue:
            return self.issue(repository, issue)
        if isinstance(part, Thread):
            return self.thread(repository, issue, part)
        prefix = node_id.split("_")[0]
        if prefix == "PRRC":
            return self.line_comment(repository, issue, part)
        if prefix == "PRR":
            return self._review(repository, issue, part)
        shape = self._host.shapes.comment(repository, part)
        kind = {"__typename": "IssueComment", "id": part.node_id, "url": shape["html_url"]}
        return {**self._text(repository, part), **kind}
