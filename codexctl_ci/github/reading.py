"""What prompts are made from, read from GitHub as it stood at the event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from codexctl_ci.errors import ApiError
from codexctl_ci.github.client import GitHub
from codexctl_ci.github.people import person
from codexctl_ci.guardrails.branches import issue_of
from codexctl_ci.guardrails.consent import WRITERS
from codexctl_ci.prompts.context import Comment, IssueContext, PullContext, Review, ReviewThread

_AUTHOR = "author { __typename login }"
_COMMENT = f"databaseId body createdAt lastEditedAt isMinimized url {_AUTHOR}"
_PAGE = "pageInfo { hasNextPage endCursor }"

_ISSUE = f"""
query($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{ issue(number: $number) {{
    number title body url closed lastEditedAt {_AUTHOR} labels(first: 100) {{ nodes {{ name }} }}
    comments(first: 100, after: $after) {{ {_PAGE} nodes {{ {_COMMENT} }} }}
  }} }} }}"""

_PULL = f"""
query($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{
    number title body url closed lastEditedAt {_AUTHOR} labels(first: 100) {{ nodes {{ name }} }}
    headRefName headRefOid baseRefName baseRefOid headRepository {{ nameWithOwner }}
    closingIssuesReferences(first: 1) {{ nodes {{ number }} }}
    comments(first: 100, after: $after) {{ {_PAGE} nodes {{ {_COMMENT} }} }}
  }} }} }}"""

_REVIEWS = f"""
query($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{
    reviews(first: 100, after: $after) {{ {_PAGE} nodes {{ {_COMMENT} state submittedAt }} }}
  }} }} }}"""

_THREADS = f"""
query($owner: String!, $name: String!, $number: Int!, $after: String) {{
  repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{
    reviewThreads(first: 50, after: $after) {{ {_PAGE} nodes {{
      id isResolved isOutdated path line
      comments(first: 100) {{ {_PAGE} nodes {{ {_COMMENT} diffHunk }} }} }} }}
  }} }} }}"""

_MORE_OF_THREAD = f"""
query($id: ID!, $after: String) {{ node(id: $id) {{ ... on PullRequestReviewThread {{
  comments(first: 100, after: $after) {{ {_PAGE} nodes {{ {_COMMENT} }} }} }} }} }}"""


class Reading:
    """Implements the port of prompts. ``event`` is the run's payload: for its own issue or pull request, the text
    in it is what the person saw who started the run."""

    def __init__(self, github: GitHub, event: Mapping[str, Any]) -> None:
        self._github = github
        self._event = event
        self._writers: dict[str, bool] = {}

    def issue(self, number: int, *, as_of: datetime | None = None) -> IssueContext:
        """The issue with its comments. A body that was edited after ``as_of`` is left out."""
        pages = list(self._pages(_ISSUE, "issue", "comments", number))
        first = pages[0]
        title, body, late = self._text("issue", first, as_of)
        return IssueContext(
            number=number,
            title=title,
            body=body,
            author=_login(first),
            labels=tuple(label["name"] for label in first["labels"]["nodes"]),
            url=first["url"],
            closed=first["closed"],
            late=late,
            comments=tuple(self._comment(node) for page in pages for node in page["comments"]["nodes"]),
        )

    def pull(self, number: int, *, as_of: datetime | None = None) -> PullContext:
        """The pull request with its comments and its last reviews."""
        pages = list(self._pages(_PULL, "pullRequest", "comments", number))
        first = pages[0]
        title, body, late = self._text("pull_request", first, as_of)
        reviews = [
            node
            for page in self._pages(_REVIEWS, "pullRequest", "reviews", number)
            for node in page["reviews"]["nodes"]
        ]
        closing = first["closingIssuesReferences"]["nodes"]
        return PullContext(
            number=number,
            title=title,
            body=body,
            author=_login(first),
            head_branch=first["headRefName"],
            head_sha=first["headRefOid"],
            base_branch=first["baseRefName"],
            base_sha=first["baseRefOid"],
            head_repo=(first["headRepository"] or {}).get("nameWithOwner") or "",
            labels=tuple(label["name"] for label in first["labels"]["nodes"]),
            url=first["url"],
            closed=first["closed"],
            late=late,
            linked_issue=issue_of(first["headRefName"]) or (closing[0]["number"] if closing else 0),
            comments=tuple(self._comment(node) for page in pages for node in page["comments"]["nodes"]),
            reviews=tuple(self._review(node) for node in reviews if node["submittedAt"]),
        )

    def review_threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads, oldest first."""
        found = []
        for page in self._pages(_THREADS, "pullRequest", "reviewThreads", number):
            for node in page["reviewThreads"]["nodes"]:
                comments = [*node["comments"]["nodes"], *self._rest_of_thread(node)]
                found.append(
                    ReviewThread(
                        id=node["id"],
                        path=node["path"],
                        line=node["line"] or 0,
                        comments=tuple(self._comment(comment) for comment in comments),
                        resolved=node["isResolved"],
                        outdated=node["isOutdated"],
                        diff_hunk=comments[0]["diffHunk"] if comments else "",
                    )
                )
        return tuple(found)

    def _rest_of_thread(self, thread: Mapping[str, Any]) -> Iterator[Any]:
        page = thread["comments"]["pageInfo"]
        while page["hasNextPage"]:
            data = self._github.graphql(_MORE_OF_THREAD, id=thread["id"], after=page["endCursor"])
            more = data["node"]["comments"]
            yield from more["nodes"]
            page = more["pageInfo"]

    def labeled_at(self, number: int, label: str) -> tuple[datetime, ...]:
        """When the label was put on, each time."""
        return tuple(
            _time(entry["created_at"])
            for entry in self._github.pages(f"issues/{number}/timeline")
            if entry.get("event") == "labeled" and (entry.get("label") or {}).get("name") == label
        )

    def _title(self, node: Mapping[str, Any], as_of: datetime | None) -> str:
        """The title at ``as_of``: what the first renaming after it started from."""
        if as_of is not None:
            for entry in self._github.pages(f"issues/{node['number']}/timeline"):
                if entry.get("event") == "renamed" and _time(entry["created_at"]) > as_of:
                    return str(entry["rename"]["from"])
        return str(node["title"])

    def _pages(self, query: str, what: str, inner: str, number: int) -> Iterator[Any]:
        after: str | None = None
        while True:
            data = self._github.graphql(
                query, owner=self._github.owner, name=self._github.name, number=number, after=after
            )
            node = (data.get("repository") or {}).get(what)
            if node is None:
                raise ApiError(f"#{number} is not there in {self._github.repo}", status=404)
            yield node
            page = node[inner]["pageInfo"]
            if not page["hasNextPage"]:
                return
            after = page["endCursor"]

    def _text(self, what: str, node: Mapping[str, Any], as_of: datetime | None) -> tuple[str, str, bool]:
        """Title and body at ``as_of``, and whether the body is missing since it was edited later."""
        payload = self._event.get(what)
        if as_of is not None and isinstance(payload, Mapping) and payload.get("number") == node["number"]:
            return str(payload.get("title") or ""), str(payload.get("body") or ""), False
        edited = _time_or_none(node["lastEditedAt"])
        late = as_of is not None and edited is not None and edited > as_of
        return self._title(node, as_of), "" if late else node["body"], late

    def _comment(self, node: Mapping[str, Any]) -> Comment:
        login = _login(node)
        return Comment(
            id=node["databaseId"] or 0,
            author=login,
            body=node["body"],
            created_at=_time(node["createdAt"]),
            by_writer=self._may_write(login),
            edited_at=_time_or_none(node["lastEditedAt"]),
            minimized=node["isMinimized"],
            url=node["url"],
        )

    def _review(self, node: Mapping[str, Any]) -> Review:
        login = _login(node)
        return Review(
            id=node["databaseId"] or 0,
            author=login,
            state=node["state"],
            body=node["body"],
            submitted_at=_time(node["submittedAt"]),
            by_writer=self._may_write(login),
            edited_at=_time_or_none(node["lastEditedAt"]),
            minimized=node["isMinimized"],
            url=node["url"],
        )

    def _may_write(self, login: str) -> bool:
        if not login:
            return False
        if login not in self._writers:
            # We ourselves may be an App, which is no collaborator anywhere.
            ours = login.lower() == self._github.login().lower()
            self._writers[login] = ours or person(self._github, login).permission in WRITERS
        return self._writers[login]


def _login(node: Mapping[str, Any]) -> str:
    author = node.get("author") or {}
    login = str(author.get("login") or "")
    # GraphQL leaves the ending of an App's login out, and without it a person may be called the same.
    return f"{login}[bot]" if login and author.get("__typename") == "Bot" else login


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return _time(text) if text else None
