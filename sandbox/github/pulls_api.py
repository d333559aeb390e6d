"""REST: pull requests, merging, reviews and their threads."""

from __future__ import annotations

from typing import Any

from sandbox.github.api import Answer, Call, Routes
from sandbox.github.bare_git import GitFailed
from sandbox.github.errors import ApiError, invalid, not_found, unprocessable
from sandbox.github.issues_api import checked_body, edit, require_author_or
from sandbox.github.shapes import allowed
from sandbox.github.state import Issue, Pull, Repository, Review, ReviewComment, Thread, timestamp

ROUTES = Routes()
_READ, _WRITE = "pull_requests:read", "pull_requests:write"
_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def pull_of(issue: Issue) -> Pull:
    """Return an issue's pull request."""
    if issue.pull is None:
        raise not_found()
    return issue.pull


@ROUTES.add("pulls/list", _READ)
def pulls(call: Call) -> Answer:
    """Answer pull requests, newest first; `head` is `owner:branch`."""
    found = call.repository()
    state, head, base = (call.query.get(name) for name in ("state", "head", "base"))
    items = [
        item
        for item in reversed(found.issues.values())
        if item.pull
        and (state == "all" or item.state == (state or "open"))
        and (not head or ":" not in head or head.lower() == _head_label(item.pull).lower())
        and (not base or item.pull.base == base)
    ]
    git = call.host.git(found)
    return Answer(200, [call.host.shapes.pull(found, item, git) for item in call.page(items)])


def _head_label(pull: Pull) -> str:
    return f"{pull.head_repository.split('/')[0]}:{pull.head}"


@ROUTES.add("pulls/create", _WRITE)
def create(call: Call) -> Answer:
    """Open a pull request from a branch of this repository or of a fork."""
    found, body = call.repository(), call.body
    owner, _, branch = body["head"].rpartition(":")
    source = found if owner.lower() in {"", found.owner.lower()} else _fork(call, found, owner)
    if not allowed(call.role(source), "write"):
        raise ApiError(403, "Must have push access to Repository.")
    git = call.host.git(found)
    head_sha = call.host.git(source).refs().get(f"refs/heads/{branch}")
    base_sha = git.refs().get(f"refs/heads/{body['base']}")
    if head_sha is None:
        raise invalid("PullRequest", "invalid", "head")
    if base_sha is None:
        raise invalid("PullRequest", "invalid", "base")
    if source is not found:
        git.git("fetch", "-q", str(call.host.git_path(source.full_name)), head_sha)
    pull = Pull(body["base"], branch, source.full_name, base_sha, head_sha, bool(body.get("draft")))
    for item in found.issues.values():
        other = item.pull
        if (
            other
            and item.state == "open"
            and (other.head_repository, other.head, other.base)
            == (
                pull.head_repository,
                pull.head,
                pull.base,
            )
        ):
            text = f"A pull request already exists for {_head_label(pull)}."
            raise invalid("PullRequest", "custom", None, text)
    if not git.commits(base_sha, head_sha):
        text = f"No commits between {body['base']} and {body['head']}"
        raise invalid("PullRequest", "custom", None, text)
    issue = call.host.open_issue(found, call.actor, body.get("title") or branch, body.get("body") or "", pull)
    return Answer(201, call.host.shapes.pull(found, issue, git))


def _fork(call: Call, found: Repository, owner: str) -> Repository:
    for item in call.host.state.repositories.values():
        if item.owner.lower() == owner.lower() and item.fork_of == found.full_name:
            return item
    raise invalid("PullRequest", "invalid", "head")


@ROUTES.add("pulls/get", _READ)
def get(call: Call) -> Answer:
    """Answer a pull request."""
    found, issue = call.repository(), call.issue("pull_number")
    return Answer(200, call.host.shapes.pull(found, issue, call.host.git(found)))


@ROUTES.add("pulls/update", _WRITE)
def update(call: Call) -> Answer:
    """Edit, close, reopen."""
    found, issue = call.repository(), call.issue("pull_number")
    require_author_or(call, issue.author, "write")
    pull = pull_of(issue)
    if call.body.get("state") == "open" and pull.merged_at:
        raise invalid("PullRequest", "invalid", "state")
    if call.body.get("base"):
        pull.base = call.body["base"]
    edit(call.host, found, issue, call.body, call.actor)
    return Answer(200, call.host.shapes.pull(found, issue, call.host.git(found)))


@ROUTES.add("pulls/list-files", _READ)
def files(call: Call) -> Answer:
    """Answer the changed files."""
    found, pull = call.repository(), pull_of(call.issue("pull_number"))
    changed = call.host.git(found).changed_files(pull.base_sha, pull.head_sha)
    return Answer(200, [call.host.shapes.file(found, item, pull.head_sha) for item in call.page(changed)])


@ROUTES.add("pulls/list-commits", _READ)
def commits(call: Call) -> Answer:
    """Answer the commits."""
    found, pull = call.repository(), pull_of(call.issue("pull_number"))
    listed = call.host.git(found).commits(pull.base_sha, pull.head_sha)
    return Answer(200, [call.host.shapes.commit(found, item) for item in call.page(listed)])


@ROUTES.add("pulls/check-if-merged", _READ)
def is_merged(call: Call) -> Answer:
    """Answer 204 where it was merged."""
    if pull_of(call.issue("pull_number")).merged_at is None:
        raise not_found()
    return Answer(204)


@ROUTES.add("pulls/merge", "contents:write", role="write")
def merge(call: Call) -> Answer:
    """Merge in git, and close what it closes."""
    found, issue = call.repository(), call.issue("pull_number")
    pull, git, body = pull_of(issue), call.host.git(found), call.body or {}
    if issue.state != "open" or pull.draft:
        raise ApiError(405, "Pull Request is not mergeable")
    if body.get("sha") not in {None, pull.head_sha}:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    tree = git.mergeable(pull.base_sha, pull.head_sha)
    if tree is None:
        raise ApiError(405, "Merge conflict between base and head")
    method = body.get("merge_method", "merge")
    if method == "rebase":
        raise ApiError(405, "Rebase merges are not allowed on this repository.")
    title = body.get("commit_title") or f"Merge pull request #{issue.number} from {_head_label(pull)}"
    text = f"{title}\n\n{body.get('commit_message') or issue.title}\n"
    parents = (pull.base_sha,) if method == "squash" else (pull.base_sha, pull.head_sha)
    email = f"{call.login}@users.noreply.sandbox"
    try:
        commit = git.commit_tree(tree, parents, text, call.login, email)
    except GitFailed as reason:
        raise ApiError(405, f"Merge failed: {reason}") from reason
    before = git.refs()
    git.set_ref(f"refs/heads/{pull.base}", commit)
    call.host.merged(found, issue, commit, call.actor)
    call.host.refs_changed(found, before, git.refs(), call.actor)
    return Answer(200, {"sha": commit, "merged": True, "message": "Pull Request successfully merged"})


@ROUTES.add("pulls/list-reviews", _READ)
def reviews(call: Call) -> Answer:
    """Answer the reviews, oldest first."""
    found, issue = call.repository(), call.issue("pull_number")
    items = call.page(pull_of(issue).reviews)
    return Answer(200, [call.host.shapes.review(found, issue.number, item) for item in items])


def add_line_comment(
    call: Call, issue: Issue, review: Review, item: dict[str, Any], thread: int | None = None
) -> ReviewComment:
    """Write a comment on a line; without a thread it opens one."""
    found, pull = call.repository(), pull_of(issue)
    changed = {entry.path: entry for entry in call.host.git(found).changed_files(pull.base_sha, pull.head_sha)}
    if thread is None and item["path"] not in changed:
        raise unprocessable("Path could not be resolved")
    now = timestamp()
    comment = ReviewComment(
        call.host.state.next_id(),
        call.login,
        checked_body(item["body"], "PullRequestReviewComment"),
        now,
        now,
        review=review.id,
        path=item["path"],
        line=item.get("line") or item.get("position"),
        start_line=item.get("start_line"),
        side=item.get("side") or "RIGHT",
        commit=pull.head_sha,
        original_line=item.get("line") or item.get("position"),
        diff_hunk=item.get("diff_hunk") or (changed[item["path"]].patch if item["path"] in changed else ""),
    )
    comment.thread = thread or comment.id
    if thread is None:
        pull.threads[comment.id] = Thread(comment.id)
    pull.comments.append(comment)
    return comment


@ROUTES.add("pulls/create-review", _WRITE)
def create_review(call: Call) -> Answer:
    """Submit a review, with comments on lines."""
    found, issue, body = call.repository(), call.issue("pull_number"), call.body or {}
    pull = pull_of(issue)
    state = _STATES.get(body.get("event") or "", "PENDING")
    if issue.author.lower() == call.login.lower() and state in {"APPROVED", "CHANGES_REQUESTED"}:
        verb = "approve" if state == "APPROVED" else "request changes on"
        raise unprocessable(f"Can not {verb} your own pull request")
    if state in {"COMMENTED", "CHANGES_REQUESTED"} and not body.get("body") and not body.get("comments"):
        raise unprocessable("Body can't be blank")
    now = timestamp()
    review = Review(
        call.host.state.next_id(),
        call.login,
        body.get("body") or "",
        now,
        now,
        state=state,
        commit=body.get("commit_id") or pull.head_sha,
    )
    written = [add_line_comment(call, issue, review, item) for item in body.get("comments") or []]
    pull.reviews.append(review)
    issue.updated_at = now
    if state != "PENDING":
        call.host.review_event(found, issue, review, call.actor)
        for comment in written:
            call.host.review_comment_event(found, issue, comment, call.actor)
    return Answer(200, call.host.shapes.review(found, issue.number, review))


def _review(call: Call) -> tuple[Repository, Issue, Review]:
    found, issue = call.repository(), call.issue("pull_number")
    for item in pull_of(issue).reviews:
        if str(item.id) == call.path["review_id"]:
            return found, issue, item
    raise not_found()


@ROUTES.add("pulls/get-review", _READ)
def review(call: Call) -> Answer:
    """Answer a review."""
    found, issue, item = _review(call)
    return Answer(200, call.host.shapes.review(found, issue.number, item))


@ROUTES.add("pulls/list-comments-for-review", _READ)
def comments_of_review(call: Call) -> Answer:
    """Answer the comments that came with a review."""
    found, issue, item = _review(call)
    items = [entry for entry in pull_of(issue).comments if entry.review == item.id]
    return Answer(200, [call.host.shapes.review_comment(found, issue.number, one) for one in call.page(items)])


@ROUTES.add("pulls/list-review-comments", _READ)
def line_comments(call: Call) -> Answer:
    """Answer all comments on lines."""
    found, issue = call.repository(), call.issue("pull_number")
    items = call.page(pull_of(issue).comments)
    return Answer(200, [call.host.shapes.review_comment(found, issue.number, item) for item in items])


def reply(call: Call, found: Repository, issue: Issue, thread: int, body: str) -> ReviewComment:
    """Answer in a thread; GitHub wraps such a reply in a review of its own."""
    pull = pull_of(issue)
    first = next((item for item in pull.comments if item.id == thread), None)
    if first is None:
        raise not_found()
    now = timestamp()
    wrapping = Review(call.host.state.next_id(), call.login, "", now, now, commit=pull.head_sha)
    place = {"path": first.path, "line": first.line, "side": first.side, "diff_hunk": first.diff_hunk}
    comment = add_line_comment(call, issue, wrapping, {**place, "body": body}, first.thread)
    pull.reviews.append(wrapping)
    call.host.review_event(found, issue, wrapping, call.actor)
    call.host.review_comment_event(found, issue, comment, call.actor)
    return comment


@ROUTES.add("pulls/create-reply-for-review-comment", _WRITE)
def create_reply(call: Call) -> Answer:
    """Reply to the comment that opened a thread."""
    found, issue = call.repository(), call.issue("pull_number")
    comment = reply(call, found, issue, int(call.path["comment_id"]), call.body["body"])
    return Answer(201, call.host.shapes.review_comment(found, issue.number, comment))


@ROUTES.add("pulls/create-review-comment", _WRITE)
def create_line_comment(call: Call) -> Answer:
    """Comment on a line outside of a review, or reply with `in_reply_to`."""
    found, issue, body = call.repository(), call.issue("pull_number"), call.body
    pull = pull_of(issue)
    if body.get("in_reply_to"):
        comment = reply(call, found, issue, body["in_reply_to"], body["body"])
    else:
        now = timestamp()
        wrapping = Review(call.host.state.next_id(), call.login, "", now, now, commit=pull.head_sha)
        comment = add_line_comment(call, issue, wrapping, body)
        pull.reviews.append(wrapping)
        call.host.review_event(found, issue, wrapping, call.actor)
        call.host.review_comment_event(found, issue, comment, call.actor)
    return Answer(201, call.host.shapes.review_comment(found, issue.number, comment))


def _line_comment(call: Call) -> tuple[Repository, Issue, ReviewComment]:
    found = call.repository()
    for issue in found.issues.values():
        for item in issue.pull.comments if issue.pull else ():
            if str(item.id) == call.path["comment_id"]:
                return found, issue, item
    raise not_found()


@ROUTES.add("pulls/get-review-comment", _READ)
def line_comment(call: Call) -> Answer:
    """Answer a comment on a line."""
    found, issue, item = _line_comment(call)
    return Answer(200, call.host.shapes.review_comment(found, issue.number, item))


@ROUTES.add("pulls/update-review-comment", _WRITE)
def update_line_comment(call: Call) -> Answer:
    """Rewrite a comment on a line."""
    found, issue, item = _line_comment(call)
    require_author_or(call, item.author, "write")
    call.host.rewrite(item, checked_body(call.body["body"], "PullRequestReviewComment"), call.actor)
    return Answer(200, call.host.shapes.review_comment(found, issue.number, item))
