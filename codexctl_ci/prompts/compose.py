"""From a brief to the text that the agent reads.

The words stand in ``texts/<language>``, one template a kind; GitHub's texts reach them already selected, cleaned and
fenced, so that no template can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from codexctl_ci.errors import ConfigError
from codexctl_ci.prompts.brief import KINDS, LANGUAGES, Brief, Link
from codexctl_ci.prompts.cleaning import clean_line
from codexctl_ci.prompts.context import Comment, IssueContext, PullContext, Review, ReviewThread
from codexctl_ci.prompts.fencing import (
    COMMENT_LIMIT,
    HUNK_LIMIT,
    between_marks,
    bounded,
    fence,
    login,
    moment,
    thread_reference,
)
from codexctl_ci.prompts.invisible import without_invisible
from codexctl_ci.prompts.labels import intents_of
from codexctl_ci.prompts.selection import COMMENT_COUNT, usable_comments, usable_reviews, usable_threads

if TYPE_CHECKING:
    import jinja2

COMMENTS_LIMIT = 200_000

THREADS_LIMIT = 300_000
REVIEW_COUNT = 10
THREAD_COMMENT_COUNT = 30
INSTRUCTIONS_LIMIT = 32_000

T = TypeVar("T")


def compose(brief: Brief) -> str:
    """The prompt. Raises ConfigError for an unknown kind, or where the kind's issue or pull request is missing."""
    if brief.kind not in KINDS:
        raise ConfigError(f"there is no prompt of kind {brief.kind!r}", hint=f"one of {', '.join(KINDS)}")
    if brief.kind.endswith("_issue") or brief.kind == "plan_review":
        if brief.issue is None:
            raise ConfigError(f"a prompt of kind {brief.kind} needs an issue", hint="give --issue")
    elif brief.pull is None:
        raise ConfigError(f"a prompt of kind {brief.kind} needs a pull request", hint="give --pr")
    language = language_of(brief.lang)
    template = _environment().get_template(f"{language}/{brief.kind}.md.j2")
    text = template.render(**_view(brief))
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"


def language_of(lang: str) -> str:
    """The language of the built-in texts for ``lang`` (``ru-RU`` is ``ru``); ``en`` for all we have no texts in."""
    short = lang.strip().lower().replace("_", "-").partition("-")[0]
    return short if short in LANGUAGES else "en"


@cache
def _environment() -> jinja2.Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("codexctl_ci.prompts", "texts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _view(brief: Brief) -> dict[str, Any]:
    threads = [_thread(t) for t in usable_threads(brief.threads, brief.as_of, marker=brief.marker)]
    kept_threads = _newest(threads, THREADS_LIMIT, lambda thread: sum(map(len, [thread["hunk"], *thread["comments"]])))
    labels = (*(brief.issue.labels if brief.issue else ()), *(brief.pull.labels if brief.pull else ()))
    return {
        "kind": brief.kind,
        "short": brief.mode == "short",
        "project": clean_line(brief.project),
        "environment": brief.environment,
        "namespace": brief.namespace,
        "repository": brief.repository,
        "slot": brief.slot,
        "host": brief.host,
        "workdir": brief.workdir,
        "intents": intents_of(labels),
        "instructions": bounded(brief.instructions.strip(), INSTRUCTIONS_LIMIT),
        "infra_unhealthy": brief.infra_unhealthy,
        "infra_report": fence(brief.infra_report, "state of the stack") if brief.infra_report.strip() else "",
        "project_context": brief.project_context.strip(),
        "services_overview": brief.services_overview.strip(),
        "links": [_link(link, brief.host) for link in brief.links],
        "extra_tools": brief.extra_tools,
        "tool_servers": brief.tool_servers,
        "answers_by_tool": brief.answers_by_tool,
        "issue": _issue(brief.issue, brief) if brief.issue else None,
        "focus": _issue(brief.focus, brief)
        if brief.focus and (brief.issue is None or brief.focus.number != brief.issue.number)
        else None,
        "parents": [_issue(parent, brief) for parent in brief.parents],
        "pull": _pull(brief.pull, brief) if brief.pull else None,
        "threads": kept_threads,
        "threads_left_out": len(threads) - len(kept_threads),
    }


def _link(link: Link, host: str) -> dict[str, str]:
    url = link.url.strip()
    if url.startswith("/") and host:
        url = f"https://{host}{url}"
    return {"title": link.title, "url": url}


def _issue(issue: IssueContext, brief: Brief) -> dict[str, Any]:
    text = f"{clean_line(issue.title, 300)}\n\n{issue.body}"
    comments, left_out = _comments(issue.comments, brief, f"issue #{issue.number}")
    return {
        "number": issue.number,
        "block": fence(text, f"issue #{issue.number} by {login(issue.author)}"),
        "late": issue.late,
        "comments": comments,
        "left_out": left_out,
    }


def _pull(pull: PullContext, brief: Brief) -> dict[str, Any]:
    text = f"{clean_line(pull.title, 300)}\n\n{pull.body}"
    comments, left_out = _comments(pull.comments, brief, f"pull request #{pull.number}")
    reviews = usable_reviews(pull.reviews, brief.as_of)
    return {
        "number": pull.number,
        "head": clean_line(pull.head_branch).replace("`", "'"),
        "base": clean_line(pull.base_branch).replace("`", "'"),
        "block": fence(text, f"pull request #{pull.number} by {login(pull.author)}"),
        "comments": comments,
        "late": pull.late,
        "left_out": left_out,
        "reviews": [_review(review) for review in reviews[-REVIEW_COUNT:]],
        "reviews_left_out": max(0, len(reviews) - REVIEW_COUNT),
    }


def _review(review: Review) -> str:
    state = review.state.lower().replace("_", " ")
    label = f"review ({state}) by {login(review.author)} at {moment(review.submitted_at)}"
    return fence(review.body, label, limit=COMMENT_LIMIT)


def _comments(comments: tuple[Comment, ...], brief: Brief, where: str) -> tuple[list[str], int]:
    # A plan that is to be improved is a comment of our own.
    marker = "" if brief.kind.startswith("plan") else brief.marker
    usable = usable_comments(comments, brief.as_of, marker=marker)
    kept = _newest([_comment(comment, where) for comment in usable[-COMMENT_COUNT:]], COMMENTS_LIMIT, len)
    return kept, len(usable) - len(kept)


def _newest(parts: list[T], limit: int, size: Callable[[T], int]) -> list[T]:
    """The last ``parts`` that together are no larger than ``limit``."""
    room = limit
    for count, part in enumerate(reversed(parts)):
        room -= size(part)
        if room < 0:
            return parts[len(parts) - count :]
    return parts


def _comment(comment: Comment, where: str) -> str:
    label = f"comment on {where} by {login(comment.author)} at {moment(comment.created_at)}"
    return fence(comment.body, label, limit=COMMENT_LIMIT)


def _thread(thread: ReviewThread) -> dict[str, Any]:
    path = clean_line(thread.path)
    hunk = bounded(without_invisible(thread.diff_hunk), HUNK_LIMIT)
    return {
        "id": thread_reference(thread.id),
        "path": path,
        "line": thread.line,
        "outdated": thread.outdated,
        "hunk": between_marks(hunk, f"lines of {path} that the thread is about") if hunk.strip() else "",
        "comments": [_comment(comment, f"{path}:{thread.line}") for comment in thread.comments[-THREAD_COMMENT_COUNT:]],
        "left_out": max(0, len(thread.comments) - THREAD_COMMENT_COUNT),
    }
