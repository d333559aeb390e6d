"""GitHub's texts as a project's own prompt template sees them: selected, cleaned and fenced like everywhere."""

from __future__ import annotations

from codexctl_ci.prompts.brief import Brief
from codexctl_ci.prompts.fencing import COMMENT_LIMIT, fence, login, moment, thread_reference
from codexctl_ci.prompts.selection import COMMENT_COUNT, usable_comments, usable_threads


def issue_comments(brief: Brief) -> list[dict[str, object]]:
    """The issue's text and its comments, oldest first. The issue itself has the id 0."""
    found: list[dict[str, object]] = []
    for issue in (brief.issue, brief.focus, *brief.parents):
        if issue is None:
            continue
        label = f"issue #{issue.number} by {login(issue.author)}"
        body = fence(f"{issue.title}\n\n{issue.body}", label)
        found.append(_entry("issue_number", issue.number, 0, issue.author, issue.url, body, ""))
        for comment in usable_comments(issue.comments, brief.as_of, marker=brief.marker, most=COMMENT_COUNT):
            written = moment(comment.created_at)
            label = f"comment on issue #{issue.number} by {login(comment.author)} at {written}"
            text = fence(comment.body, label, limit=COMMENT_LIMIT)
            found.append(_entry("issue_number", issue.number, comment.id, comment.author, comment.url, text, written))
    return found


def review_comments(brief: Brief) -> list[dict[str, object]]:
    """Comments of the pull request's open threads, thread by thread."""
    found: list[dict[str, object]] = []
    number = brief.pull.number if brief.pull else 0
    for thread in usable_threads(brief.threads, brief.as_of, marker=brief.marker):
        for comment in thread.comments:
            written = moment(comment.created_at)
            label = f"comment on {thread.path}:{thread.line} by {login(comment.author)} at {written}"
            text = fence(comment.body, label, limit=COMMENT_LIMIT)
            entry = _entry("pr_number", number, comment.id, comment.author, comment.url, text, written)
            found.append(entry | {"thread_id": thread_reference(thread.id)})
    return found


def _entry(name: str, number: int, identity: int, author: str, url: str, body: str, written: str) -> dict[str, object]:
    return {
        name: number,
        "id": identity,
        "author": login(author).removeprefix("@"),
        "url": url,
        "body": body,
        "created_at": written,
    }
