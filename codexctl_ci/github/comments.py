"""One comment of ours on an issue or a pull request, updated in place."""

from __future__ import annotations

from codexctl_ci.errors import ApiError
from codexctl_ci.github.client import GitHub
from codexctl_ci.guardrails.consent import MARKER

_LIMIT = 65536
_TRIES = 3


def upsert(github: GitHub, number: int, topic: str, body: str) -> str:
    """Write ``body`` into our comment of this ``topic`` (``env``, ``plan``) and return its address.

    There is never a second one: a create that met a fault is looked for before it is tried again.
    """
    mark = f"{MARKER} {topic} -->"
    text = f"{mark}\n{body.strip()}\n"
    if len(text) > _LIMIT:
        text = text[: _LIMIT - 20] + "\n\n… (cut)\n"
    for attempt in range(1, _TRIES + 1):
        found = _find(github, number, mark)
        try:
            if found is None:
                done = github.call("POST", f"issues/{number}/comments", {"body": text})
            elif found["body"].strip() == text.strip():
                done = found
            else:
                done = github.call("PATCH", f"issues/comments/{found['id']}", {"body": text})
            return str(done["html_url"])
        except ApiError as error:
            if not error.passing or attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def add(github: GitHub, number: int, body: str) -> str:
    """A new comment each time, and its address."""
    return str(github.call("POST", f"issues/{number}/comments", {"body": body[:_LIMIT]})["html_url"])


def _find(github: GitHub, number: int, mark: str) -> dict[str, str] | None:
    own = github.login().lower()
    for comment in github.pages(f"issues/{number}/comments"):
        if (comment.get("body") or "").startswith(mark) and (comment.get("user") or {}).get("login", "").lower() == own:
            found: dict[str, str] = comment
            return found
    return None
