"""Foreign text as data: cleaned, bounded, said whose it is, between marks that it cannot contain.

The marks carry a token made from the text itself, so that nobody can write the closing mark of their own text, and the
same prompt comes out the same every time.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from codexctl_ci.prompts.cleaning import clean, clean_line

BODY_LIMIT = 60_000
COMMENT_LIMIT = 20_000
HUNK_LIMIT = 4_000

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})(?:\[bot\])?\Z")
_THREAD = re.compile(r"[A-Za-z0-9_=+/-]{1,200}\Z")


def bounded(text: str, limit: int) -> str:
    """``text`` of at most about ``limit`` characters: its beginning and its end, with a note of what is missing."""
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = limit - head
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[-tail:]}"


def fence(text: str, label: str, *, limit: int = BODY_LIMIT) -> str:
    """``text`` cleaned, cut to ``limit`` and set between two marks that name ``label``."""
    # First cut what nobody could mean, so that cleaning is bounded too.
    body = bounded(clean(bounded(text, 4 * limit)), limit)
    return between_marks(body, label)


def between_marks(body: str, label: str) -> str:
    """``body`` as it is between two marks; for text that may not be cleaned, such as a diff's lines."""
    label = clean_line(label)
    token = _token(label, body)
    return f"<<<DATA {token} {label}\n{body}\nDATA {token}>>>"


def _token(label: str, body: str) -> str:
    salt = 0
    while True:
        token = hashlib.sha256(f"{salt}\n{label}\n{body}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if token not in body:
            return token
        salt += 1


def login(name: str) -> str:
    """``name`` as ``@login``, or ``someone`` where it is no login."""
    return f"@{name}" if _LOGIN.match(name) else "someone"


def thread_reference(identity: str) -> str:
    """A review thread's id as the prompt shows it, empty where it is none."""
    return identity if _THREAD.match(identity) else ""


def moment(when: datetime) -> str:
    """A time as the prompt shows it: UTC, to the minute."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
