"""REST: issues, their labels, comments and history."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from sandbox.github.api import Answer, Call, Routes
from sandbox.github.errors import ApiError, invalid, not_found
from sandbox.github.host import Actor
from sandbox.github.shapes import allowed
from sandbox.github.state import Comment, Issue, Repository

ROUTES = Routes()
_READ = ("issues:read", "pull_requests:read")
_WRITE = ("issues:write", "pull_requests:write")
LONGEST_BODY = 65536


def checked_body(body: str | None, resource: str) -> str:
    """Return a text that GitHub takes: not empty, not longer than it allows."""
    if not (body or "").strip():
        raise invalid(resource, "missing_field", "body")
    if len(body or "") > LONGEST_BODY:
        raise invalid(resource, "custom", "body", f"body is too long (maximum is {LONGEST_BODY} characters)")
    return body or ""


def label_names(items: list[Any]) -> list[str]:
    """Return the names in a list of labels, which may be strings or objects."""
    return [item if isinstance(item, str) else item["name"] for item in items]


@ROUTES.add("issues/list-for-repo", *_READ)
def issues(call: Call) -> Answer:
    """Answer issues and pull requests, newest first."""
    found = call.repository()
    state = call.query.get("state", "open")
    wanted = {name.lower() for name in call.query.get("labels", "").split(",") if name}
    items = [
        item
        for item in reversed(found.issues.values())
        if state in {"all", item.state}
        and wanted <= {name.lower() for name in item.labels}
        and call.query.get("since", "") <= item.updated_at
        and call.query.get("creator", item.author).lower() == item.author.lower()
    ]
    return Answer(200, [call.host.shapes.issue(found, item) for item in call.page(items)])


@ROUTES.add("issues/create", "issues:write")
def create(call: Call) -> Answer:
    """Open an issue."""
    found = call.repository()
    issue = call.host.open_issue(found, call.actor, str(call.body["title"]), call.body.get("body") or "")
    # Labels of people without triage rights are dropped without a word, as on GitHub.
    if allowed(call.role(found), "triage"):
        for name in label_names(call.body.get("labels") or []):
            call.host.add_label(found, issue, name, call.actor)
    return Answer(201, call.host.shapes.issue(found, issue))


@ROUTES.add("issues/get", *_READ)
def get(call: Call) -> Answer:
    """Answer one issue."""
    return Answer(200, call.host.shapes.issue(call.repository(), call.issue()))


def require_author_or(call: Call, author: str, role: str) -> None:
    """Let the author pass, and those with a role."""
    if author.lower() != call.login.lower() and not allowed(call.role(call.repository()), role):  # type: ignore[arg-type]
        raise ApiError(403, f"Must have {role} access to Repository.")


@ROUTES.add("issues/update", *_WRITE)
def update(call: Call) -> Answer:
    """Edit, close, reopen, relabel."""
    found, issue = call.repository(), call.issue()
    require_author_or(call, issue.author, "triage")
    edit(call.host, found, issue, call.body, call.actor)
    return Answer(200, call.host.shapes.issue(found, issue))


def edit(host: Any, found: Repository, issue: Issue, body: dict[str, Any], actor: Actor) -> None:
    """Apply an edit to an issue or a pull request, with what follows from it."""
    changes: dict[str, Any] = {}
    if body.get("title") is not None and str(body["title"]) != issue.title:
        changes["title"] = {"from": issue.title}
        host.note(issue, "renamed", actor, rename=(issue.title, str(body["title"])))
        issue.title = str(body["title"])
    if "body" in body and (body["body"] or "") != issue.body:
        changes["body"] = {"from": host.rewrite(issue, body["body"] or "", actor)}
    if changes:
        host.issue_event(found, issue, "edited", actor, changes=changes)
    if body.get("labels") is not None:
        replace_labels(host, found, issue, label_names(body["labels"]), actor)
    if body.get("state") is not None:
        host.set_state(found, issue, body["state"], body.get("state_reason"), actor)


def replace_labels(host: Any, found: Repository, issue: Issue, names: list[str], actor: Actor) -> None:
    """Make these the issue's labels."""
    for name in [item for item in issue.labels if item.lower() not in {new.lower() for new in names}]:
        host.remove_label(found, issue, name, actor)
    for name in names:
        host.add_label(found, issue, name, actor)


def _labels(call: Call, found: Repository, issue: Issue) -> Answer:
    return Answer(200, [call.host.shapes.label(found, name) for name in issue.labels])


@ROUTES.add("issues/list-labels-on-issue", *_READ)
def labels(call: Call) -> Answer:
    """Answer an issue's labels."""
    return _labels(call, call.repository(), call.issue())


def _names(call: Call) -> list[str]:
    given = call.body
    return label_names(given.get("labels", []) if isinstance(given, dict) else given or [])


@ROUTES.add("issues/add-labels", *_WRITE, role="triage")
def add_labels(call: Call) -> Answer:
    """Add labels."""
    found, issue = call.repository(), call.issue()
    for name in _names(call):
        call.host.add_label(found, issue, name, call.actor)
    return _labels(call, found, issue)


@ROUTES.add("issues/set-labels", *_WRITE, role="triage")
def set_labels(call: Call) -> Answer:
    """Replace labels."""
    found, issue = call.repository(), call.issue()
    replace_labels(call.host, found, issue, _names(call), call.actor)
    return _labels(call, found, issue)


@ROUTES.add("issues/remove-label", *_WRITE, role="triage")
def remove_label(call: Call) -> Answer:
    """Remove one label; one that isn't there is a 404."""
    found, issue = call.repository(), call.issue()
    if not call.host.remove_label(found, issue, unquote(call.path["name"]), call.actor):
        raise ApiError(404, "Label does not exist")
    return _labels(call, found, issue)


@ROUTES.add("issues/list-comments", *_READ)
def comments(call: Call) -> Answer:
    """Answer an issue's comments, oldest first."""
    found, issue = call.repository(), call.issue()
    since = call.query.get("since", "")
    items = [item for item in issue.comments if item.updated_at >= since]
    return Answer(200, [call.host.shapes.comment(found, item) for item in call.page(items)])


@ROUTES.add("issues/list-comments-for-repo", *_READ)
def all_comments(call: Call) -> Answer:
    """Answer all comments of a repository."""
    found = call.repository()
    since = call.query.get("since", "")
    items = [item for issue in found.issues.values() for item in issue.comments if item.updated_at >= since]
    return Answer(200, [call.host.shapes.comment(found, item) for item in call.page(items)])


@ROUTES.add("issues/create-comment", *_WRITE)
def create_comment(call: Call) -> Answer:
    """Comment."""
    found, issue = call.repository(), call.issue()
    body = checked_body(call.body["body"], "IssueComment")
    comment = call.host.add_comment(found, issue, body, call.actor)
    return Answer(201, call.host.shapes.comment(found, comment))


def _comment(call: Call) -> tuple[Repository, Issue, Comment]:
    found = call.repository()
    for issue in found.issues.values():
        for comment in issue.comments:
            if str(comment.id) == call.path["comment_id"]:
                return found, issue, comment
    raise not_found()


@ROUTES.add("issues/get-comment", *_READ)
def comment(call: Call) -> Answer:
    """Answer a comment."""
    found, _, item = _comment(call)
    return Answer(200, call.host.shapes.comment(found, item))


@ROUTES.add("issues/update-comment", *_WRITE)
def update_comment(call: Call) -> Answer:
    """Rewrite a comment: one's own, or anybody's with write access."""
    found, issue, item = _comment(call)
    require_author_or(call, item.author, "write")
    before = call.host.rewrite(item, checked_body(call.body["body"], "IssueComment"), call.actor)
    changes = {"body": {"from": before}}
    call.host.comment_event(found, issue, item, "edited", call.actor, changes=changes)
    return Answer(200, call.host.shapes.comment(found, item))


@ROUTES.add("issues/delete-comment", *_WRITE)
def delete_comment(call: Call) -> Answer:
    """Delete a comment."""
    found, issue, item = _comment(call)
    require_author_or(call, item.author, "write")
    issue.comments.remove(item)
    call.host.comment_event(found, issue, item, "deleted", call.actor)
    return Answer(204)


@ROUTES.add("issues/list-events", *_READ)
def events(call: Call) -> Answer:
    """Answer what happened to an issue."""
    found, issue = call.repository(), call.issue()
    return Answer(200, [call.host.shapes.event(found, item) for item in call.page(issue.timeline)])


@ROUTES.add("issues/list-events-for-timeline", *_READ)
def timeline(call: Call) -> Answer:
    """Answer what happened and what was said, in the order of time."""
    found, issue = call.repository(), call.issue()
    entries = [(item.created_at, item.id, call.host.shapes.event(found, item)) for item in issue.timeline] + [
        (
            item.created_at,
            item.id,
            {
                **call.host.shapes.comment(found, item),
                "event": "commented",
                "actor": call.host.shapes.short_user(item.author),
            },
        )
        for item in issue.comments
    ]
    ordered = sorted(entries, key=lambda entry: entry[:2])
    return Answer(200, [shape for _, _, shape in call.page(ordered)])
