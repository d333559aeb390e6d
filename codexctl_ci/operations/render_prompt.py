"""What a prompt needs of GitHub, read as it stood at the event, and the prompt made from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from codexctl_ci.errors import ApiError, ConfigError
from codexctl_ci.ports import IssueSource
from codexctl_ci.prompts.brief import LANGUAGES, Brief
from codexctl_ci.prompts.cleaning import clean
from codexctl_ci.prompts.compose import compose, language_of
from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread
from codexctl_ci.prompts.planning import parent_of

log = logging.getLogger(__name__)

_MOST_PARENTS = 5


@dataclass(frozen=True, slots=True)
class Subject:
    """What a prompt is about. Numbers are 0 where there is none; ``event`` is the run's payload, may be empty."""

    kind: str
    issue: int = 0
    pull: int = 0
    focus: int = 0
    event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What GitHub holds about a subject, raw, and the moment of the event. ``parents``: the planning issues above it,
    nearest first."""

    issue: IssueContext | None = None
    focus: IssueContext | None = None
    parents: tuple[IssueContext, ...] = ()
    pull: PullContext | None = None
    threads: tuple[ReviewThread, ...] = ()
    as_of: datetime | None = None

    @property
    def issue_labels(self) -> tuple[str, ...]:
        """Labels of the issue that the work is for."""
        issue = self.focus or self.issue
        return issue.labels if issue else ()

    @property
    def pull_labels(self) -> tuple[str, ...]:
        """Labels of the pull request."""
        return self.pull.labels if self.pull else ()


def gather(source: IssueSource, subject: Subject) -> Gathered:
    """Read issue, pull request and threads of ``subject``. Raises ConfigError where its kind needs one not named."""
    wants_pull = subject.kind in ("dev_review", "ai-repair_review")
    if wants_pull and not subject.pull:
        raise ConfigError(f"a prompt of kind {subject.kind} needs a pull request", hint="give --pr")
    if not wants_pull and not subject.issue:
        raise ConfigError(f"a prompt of kind {subject.kind} needs an issue", hint="give --issue")
    as_of = event_time(subject.event or {}, source)
    pull = source.pull(subject.pull, as_of=as_of) if subject.pull else None
    number = subject.issue or (pull.linked_issue if pull else 0)
    issue = None
    if subject.issue:
        issue = source.issue(number, as_of=as_of)
    elif number:
        issue = _if_there(source, number, as_of)
    focus = None
    if subject.focus and subject.focus != number:
        focus = source.issue(subject.focus, as_of=as_of)
    threads = source.review_threads(subject.pull) if wants_pull else ()
    lowest = focus or issue
    parents = _parents(source, lowest, as_of, {number, subject.focus}) if lowest else ()
    return Gathered(issue, focus, parents, pull, threads, as_of)


def _parents(
    source: IssueSource, issue: IssueContext, as_of: datetime | None, known: set[int]
) -> tuple[IssueContext, ...]:
    """The planning issues above ``issue`` that aren't ``known``. What people don't see in a text leads nowhere."""
    found: list[IssueContext] = []
    seen = {issue.number}
    here: IssueContext | None = issue
    while here is not None and len(found) < _MOST_PARENTS:
        number = parent_of(clean(here.body))
        if not number or number in seen:
            break
        seen.add(number)
        here = _if_there(source, number, as_of)
        if here is not None and number not in known:
            found.append(here)
    return tuple(found)


def _if_there(source: IssueSource, number: int, as_of: datetime | None) -> IssueContext | None:
    try:
        return source.issue(number, as_of=as_of)
    except ApiError as error:
        if error.status != 404:
            raise
        log.warning("issue #%d is not there: the prompt goes without it", number)
        return None


def event_time(event: Mapping[str, Any], source: IssueSource) -> datetime | None:
    """The moment of the event: the payload's own, for ``labeled`` that of the timeline; None where nothing says it."""
    review = event.get("review")
    if isinstance(review, Mapping) and (when := _time(review.get("submitted_at"))):
        return when
    comment = event.get("comment")
    if isinstance(comment, Mapping):
        changed = _time(comment.get("updated_at")) if event.get("action") == "edited" else None
        if when := changed or _time(comment.get("created_at")):
            return when
    subject = event.get("issue") or event.get("pull_request")
    if not isinstance(subject, Mapping):
        return None
    label = event.get("label")
    told = _time(subject.get("updated_at"))
    if event.get("action") == "labeled" and isinstance(label, Mapping):
        times = source.labeled_at(int(subject.get("number") or 0), str(label.get("name") or ""))
        if told is not None:
            # A run that is started again goes on with the moment of its own label, not with that of a later one.
            return min(times, key=lambda when: abs(when - told), default=told)
        return max(times, default=None)
    return told


def brief_with(brief: Brief, gathered: Gathered) -> Brief:
    """``brief`` with what was read for it."""
    return replace(
        brief,
        issue=gathered.issue,
        focus=gathered.focus,
        parents=gathered.parents,
        pull=gathered.pull,
        threads=gathered.threads,
        as_of=gathered.as_of,
    )


def render_prompt(brief: Brief) -> str:
    """The prompt; a warning where there are no texts in its language."""
    if language_of(brief.lang) not in (brief.lang.lower(), brief.lang.lower().partition("-")[0]):
        log.warning("there is no prompt in %r, only in %s: taking en", brief.lang, ", ".join(LANGUAGES))
    return compose(brief)


def mode_of(wanted: str, *, resumed: bool, continuation: bool) -> str:
    """``full`` or ``short``: short only in a resumed thread, and not where the whole prompt is asked for."""
    if continuation or not resumed:
        return "full"
    return wanted or "short"


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None
