"""The agent's answer to a review: its change on the pull request's own branch, and a word in every thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from codexctl_ci.errors import ApiError, BlockedByGuardrail, ConfigError
from codexctl_ci.guardrails.branches import is_repair, is_safe
from codexctl_ci.guardrails.consent import MARKER
from codexctl_ci.operations.delivery import Delivered, Delivery, Places, deliver
from codexctl_ci.ports import PullHost, PullRequest
from codexctl_ci.prompts.context import Comment, ReviewThread
from codexctl_ci.prompts.selection import usable_threads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What threads are told. ``own`` holds the agent's answers by thread; ``common`` makes the one for the others from
    the commit (empty: nothing was changed).

    ``round`` names this review in one word, so that a repeat doesn't answer twice. ``as_of`` is the event's time:
    what was said later is another round's. ``by_tool``: the agent answered through a tool of its own.
    """

    round: str
    own: Mapping[str, str]
    common: Callable[[str], str]
    as_of: datetime | None = None
    by_tool: bool = False


def require_own_pull(pulls: PullHost, number: int, *, repair: bool) -> PullRequest:
    """The pull request, where an agent may push to its branch. Raises before anything is done where it may not."""
    pull = pulls.pull(number)
    if pull is None:
        raise ConfigError(f"there is no pull request #{number}", hint="give --pr; or the token may not see it")
    where = f"pull request #{number}"
    if not pull.own:
        raise BlockedByGuardrail("comes from another repository", obj=where, hint="agents push to branches of this one")
    if pull.state != "open":
        raise BlockedByGuardrail("is closed", obj=where, hint="open it again to have it worked on")
    if not is_safe(pull.head):
        raise BlockedByGuardrail(f"its branch {pull.head!r} has characters that are not plain", obj=where)
    if pull.head in (pull.base, "main") or pull.head == pulls.default_branch():
        raise BlockedByGuardrail(f"its branch is {pull.head}, to which no agent pushes", obj=where)
    if is_repair(pull.head) != repair:
        other = "ai-repair" if not repair else "ai"
        raise BlockedByGuardrail(f"its branch {pull.head} belongs to environment {other}", obj=where)
    return pull


def review_apply(places: Places, delivery: Delivery, pull: PullRequest, answers: Answers) -> Delivered:
    """Push the change to the branch of ``pull``, answer its threads with the commit. Where checks failed the pull
    request becomes a draft. Raises what ``deliver`` does."""

    def after(done: Delivered) -> Delivered:
        told = f"\n\nIn {done.commit}." if done.commit else ""
        signed = replace(answers, own={thread: text + told for thread, text in answers.own.items()})
        answer_threads(places.pulls, pull.number, signed, answers.common(done.commit))
        failed = delivery.checks_failed and done.commit
        return replace(done, pull=places.pulls.make_draft(pull) if failed else pull)

    return deliver(places, delivery, after)


def answer_threads(pulls: PullHost, number: int, answers: Answers, common: str) -> int:
    """Answer the threads that were open at the event; how many were answered now.

    The agent's own answer, else ``common`` where somebody spoke since we did last. Each thread once a round. Threads
    that are gone meanwhile are skipped.
    """
    every = pulls.threads(number)
    whole = {thread.id: thread for thread in every}
    open_then = usable_threads(every, answers.as_of, marker=MARKER)
    for unknown in sorted(set(answers.own) - {thread.id for thread in open_then}):
        log.warning("the agent answers thread %s, which was not open in this review: left out", unknown)
    if not open_then:
        return 0
    me = _account(pulls.login())
    said = 0
    for thread in open_then:
        body = _answer(whole[thread.id], answers, common, me)
        if body and _reply(pulls, thread.id, f"{_mark(answers.round)}\n{body}"):
            said += 1
    log.info("pull request #%d: %d of %d threads answered", number, said, len(open_then))
    return said


def _answer(thread: ReviewThread, answers: Answers, common: str, me: str) -> str:
    """What to say in the thread, empty where nothing."""
    ours = [comment for comment in thread.comments if _account(comment.author) == me]
    if any(comment.body.startswith(_mark(answers.round)) for comment in ours):
        return ""
    if answers.by_tool and _later(thread.comments, answers.as_of):
        return ""
    own = answers.own.get(thread.id, "")
    if own or not thread.comments:
        return own
    return "" if _account(thread.comments[-1].author) == me and MARKER in thread.comments[-1].body else common


def _later(comments: Iterable[Comment], as_of: datetime | None) -> bool:
    return as_of is not None and any(comment.created_at > as_of for comment in comments)


def _mark(round_: str) -> str:
    return f"{MARKER} answer {round_} -->"


def _account(login: str) -> str:
    # An App is `name[bot]` to one of GitHub's APIs and `name` to the other.
    return login.lower().removesuffix("[bot]")


def _reply(pulls: PullHost, thread: str, body: str) -> bool:
    try:
        pulls.answer(thread, body)
    except ApiError as error:
        if error.passing or error.status in (401, 403):
            raise
        log.warning("thread %s cannot be answered: %s", thread, error)
        return False
    return True
