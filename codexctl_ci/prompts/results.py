"""What the agent's final message becomes: title and description of a pull request, answers in review threads, a plan.

The message is foreign text: cleaned of hidden parts and bounded. Whether it holds secrets is for the guardrails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from codexctl_ci.prompts.cleaning import clean, clean_line
from codexctl_ci.prompts.fencing import bounded

TITLE_LIMIT = 72
BODY_LIMIT = 40_000
REPLY_LIMIT = 8_000

_TITLE = re.compile(r"\s*(?:[#*_>\s]*)Title\s*:\s*(.*)", re.IGNORECASE)
_NO_CHANGE = re.compile(r"\s*(?:[#*_>\s]*)No change\s*[:.\u2014-]\s*(.*)", re.IGNORECASE)
_CHECKS = re.compile(r"\s*[*_>\s]*Checks\s*:[\s*_`]*(passed|failed|none)\b[^\n]*", re.IGNORECASE)
_TESTED = re.compile(r"^#{1,6}[ \t]*(?:How it was tested|Tested|Tests|Testing|Checks)[ \t]*:?[ \t]*$", re.M | re.I)
_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_REPLY = re.compile(r"^#{1,6}[ \t]*Reply[ \t]+[`<]?([A-Za-z0-9_=+/-]{1,200})[`>]?[ \t]*:?[ \t]*$", re.M | re.I)
_FENCE_AROUND = re.compile(r"\A\s*```[a-z]*\n(.*)\n```\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Report:
    """A final message taken apart. ``replies`` maps thread ids to answers; ``no_change`` is the agent's own reason.

    ``tested`` is what it says of its checks; ``checks`` their result in a word (``passed failed none``), empty where it
    gave none.
    """

    title: str
    body: str
    replies: dict[str, str] = field(default_factory=dict)
    no_change: str = ""
    tested: str = ""
    checks: str = ""


def read_report(message: str, *, fallback_title: str = "") -> Report:
    """Take ``message`` apart. It never fails: a message of another form is the body, its first line the title."""
    text = clean(bounded(message, 4 * BODY_LIMIT))
    around = _FENCE_AROUND.match(text)
    if around and _TITLE.match(around[1]):
        text = around[1].strip()
    text, replies = _split_replies(text)
    first, _, rest = text.partition("\n")
    if refusal := _NO_CHANGE.match(first):
        reason = clean_line(refusal[1], 500)
        return Report(
            _title(fallback_title), bounded(rest.strip() or reason, BODY_LIMIT), replies, reason or "none given"
        )
    title = _TITLE.match(first)
    body, checks = _split_checks(rest if title else text)
    body, tested = _split_tested(body)
    named = (_title(title[1]) or _title(fallback_title)) if title else (_title(fallback_title) or _title(first))
    return Report(named, bounded(body, BODY_LIMIT), replies, tested=bounded(tested, REPLY_LIMIT), checks=checks)


def _split_checks(text: str) -> tuple[str, str]:
    found = _CHECKS.match(text)
    return (text[found.end() :].strip(), found[1].lower()) if found else (text.strip(), "")


def _split_tested(text: str) -> tuple[str, str]:
    """The section on checks, which ends at the next heading, and the text without it."""
    found = _TESTED.search(text)
    if not found:
        return text, ""
    following = _HEADING.search(text, found.end())
    end = following.start() if following else len(text)
    rest = text[: found.start()].rstrip() + "\n\n" + text[end:]
    return rest.strip(), text[found.end() : end].strip()


def _split_replies(text: str) -> tuple[str, dict[str, str]]:
    marks = list(_REPLY.finditer(text))
    if not marks:
        return text, {}
    replies: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        answer = text[mark.end() : following.start() if following else len(text)].strip().removesuffix("```").strip()
        if answer:
            replies[mark[1]] = bounded(answer, REPLY_LIMIT)
    return text[: marks[0].start()].strip(), replies


def _title(text: str) -> str:
    # A title never mentions anybody or closes an issue by itself.
    line = clean_line(text, 1000).strip("#*_` \t")
    return line if len(line) <= TITLE_LIMIT else line[: TITLE_LIMIT - 1].rsplit(" ", 1)[0].rstrip() + "…"
