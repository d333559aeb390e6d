"""What we write into pull requests: title, description, commit message, answers in threads.

All of it comes from the agent's last message, which is foreign text: it mentions nobody, closes nothing, leaks nothing.
"""

from __future__ import annotations

import re

from codexctl_ci.guardrails.secrets import leaks
from codexctl_ci.prompts.results import BODY_LIMIT, REPLY_LIMIT, Report
from codexctl_ci.reporting.issue_comment import safe_words

# The words by which GitHub closes issues on a merge. Only our own last line may.
_CLOSES = re.compile(
    r"\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(\s*:?\s+)(?=#|gh-\d|[\w.-]+/[\w.-]+#|https?://)", re.IGNORECASE
)


def pull_title(report: Report, fallback: str, own_secrets: tuple[bytes, ...] = ()) -> str:
    """The agent's title, or ``fallback`` where it gave none that may be shown."""
    title = _quiet(report.title.strip(), own_secrets, limit=250)
    return fallback if not title or any(leaks(report.title.encode(), own_secrets)) else title


def commit_message(title: str, issue: int) -> str:
    """The commit's message."""
    return f"{title}\n\nFor #{issue}\n" if issue else f"{title}\n"


def pull_body(
    report: Report, issue: int, *, site_url: str = "", run_url: str = "", own_secrets: tuple[bytes, ...] = ()
) -> str:
    """The description of a new pull request. It closes ``issue`` when it is merged, and no other."""
    links = [f"[environment]({site_url})" if site_url else "", f"[run]({run_url})" if run_url else ""]
    parts = [
        _quiet(report.body.strip(), own_secrets, limit=BODY_LIMIT),
        "Made by an agent: " + ", ".join(link for link in links if link) if any(links) else "",
        f"Closes #{issue}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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
