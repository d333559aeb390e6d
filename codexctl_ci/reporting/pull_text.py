"""What we write into pull requests: title, description, commit message, answers in threads.

All of it comes from the agent's last message, which is foreign text: it mentions nobody, closes nothing, leaks nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from codexctl_ci.guardrails.secrets import leaks
from codexctl_ci.prompts.cleaning import clean_line
from codexctl_ci.prompts.results import BODY_LIMIT, REPLY_LIMIT, Report
from codexctl_ci.reporting.issue_comment import safe_words

# The words by which GitHub closes issues on a merge. Only our own last line may.
_CLOSES = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(\s*:?\s+)(?=#|gh-\d|[\w.-]+/[\w.-]+#|https?://)", re.IGNORECASE
)


_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:\[bot\])?\Z")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the agent's words in a pull request; empty fields are left out. ``why``: the issue's title."""

    issue: int
    why: str = ""
    site_url: str = ""
    namespace: str = ""
    slot: int = 0
    run_url: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked for the work: an account of GitHub's, as the event names it."""

    login: str = ""
    id: int = 0


def pull_title(report: Report, fallback: str, own_secrets: tuple[bytes, ...] = ()) -> str:
    """The agent's title, or ``fallback`` where it gave none that may be shown."""
    title = _quiet(report.title.strip(), own_secrets, limit=250)
    return fallback if not title or any(leaks(report.title.encode(), own_secrets)) else title


def commit_message(
    title: str, issue: int = 0, run_url: str = "", asker: Asker | None = None, mail_host: str = ""
) -> str:
    """The commit's message, with trailers for the issue, the run and who asked (at ``users.noreply.<mail_host>``)."""
    trailers = [f"Issue: #{issue}" if issue else "", f"Run: {run_url}" if run_url else ""]
    if asker and asker.id > 0 and _LOGIN.match(asker.login):
        address = f"{asker.id}+{asker.login}@users.noreply.{mail_host or 'github.com'}"
        trailers.append(f"Co-authored-by: {asker.login} <{address}>")
    told = "\n".join(filter(None, trailers))
    return f"{title}\n\n{told}\n" if told else f"{title}\n"


def pull_body(report: Report, frame: Frame, own_secrets: tuple[bytes, ...] = ()) -> str:
    """The description of a new pull request. It closes the frame's issue when it is merged, and no other."""
    why = _quiet(clean_line(frame.why, 200), own_secrets, limit=200)
    failed = "**Checks failed**, so this is a draft.\n\n" if report.checks == "failed" else ""
    told = failed + _quiet(report.tested, own_secrets, limit=REPLY_LIMIT)
    place = [
        f"- Site: {frame.site_url}" if frame.site_url else "",
        f"- Namespace: `{frame.namespace}`" + (f" (slot {frame.slot})" if frame.slot else "")
        if frame.namespace
        else "",
        f"- Run: {frame.run_url}" if frame.run_url else "",
        f"- Tokens: {frame.tokens_in:,} read, {frame.tokens_out:,} written" if frame.tokens_in else "",
    ]
    sections = [
        ("What", _quiet(report.body.strip(), own_secrets, limit=BODY_LIMIT)),
        ("Why", f"#{frame.issue}" + (f": {why}" if why else "")),
        ("How it was tested", told.strip() or "The agent does not say."),
        ("Environment", "\n".join(filter(None, place))),
    ]
    parts = [f"## {name}\n\n{text}" for name, text in sections if text]
    return "\n\n".join([*parts, f"Closes #{frame.issue}"]) + "\n"


def own_answers(report: Report, own_secrets: tuple[bytes, ...] = ()) -> dict[str, str]:
    """The agent's answers by thread."""
    return {thread: _quiet(text, own_secrets, limit=REPLY_LIMIT) for thread, text in report.replies.items()}


def common_answer(commit: str, reason: str = "", own_secrets: tuple[bytes, ...] = ()) -> str:
    """What a thread is told that the agent didn't answer itself. ``commit`` is empty where nothing was changed."""
    if commit:
        return f"This round's change is in {commit}."
    why = _quiet(reason, own_secrets, limit=500)
    return "Nothing was changed in this round" + (f": {why}" if why else ".")


def _quiet(text: str, own_secrets: tuple[bytes, ...], limit: int) -> str:
    return _CLOSES.sub("\\1\\2\u2060", safe_words(text, own_secrets, limit=limit))
