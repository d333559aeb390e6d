"""The one comment about an environment: what came of the run, where the environment is, where to read on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codexctl_ci.guardrails.secrets import leaks

_MENTION = re.compile(r"(?<![\w`/])@(?=[A-Za-z0-9])")
_WORDS_LIMIT = 6000

_HEADLINES = {
    "changed": "The change is ready for review",
    "no_change": "Nothing was changed",
    "blocked": "A rule stopped this run, and nothing of it is published",
    "agent_error": "The agent ended with an error",
    "timeout": "The agent ran out of time",
    "infra_error": "The environment could not be prepared",
    "not_cleaned": "Not everything could be given back",
}


@dataclass(frozen=True, slots=True)
class EnvironmentNote:
    """What a person wants to know. Empty fields are left out of the comment."""

    conclusion: str = ""
    site_url: str = ""
    namespace: str = ""
    slot: int = 0
    pr_number: int = 0
    pr_url: str = ""
    commit: str = ""
    run_url: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    failure: str = ""
    words: str = ""
    rules: tuple[str, ...] = ()


def render_note(note: EnvironmentNote, own_secrets: tuple[bytes, ...] = ()) -> str:
    """The comment's Markdown. Foreign words are quoted, bounded, mention nobody, and are left out if they leak."""
    lines = [f"**{_HEADLINES.get(note.conclusion, 'The environment is here')}.**", ""]
    if note.pr_url:
        lines.append(f"- Pull request: [#{note.pr_number}]({note.pr_url})" + _at(note.commit))
    if note.site_url:
        lines.append(f"- Environment: {note.site_url}")
    if note.namespace:
        lines.append(f"- Namespace: `{note.namespace}`" + (f" (slot {note.slot})" if note.slot else ""))
    if note.tokens_in or note.tokens_out:
        lines.append(f"- Tokens: {note.tokens_in:,} read, {note.tokens_out:,} written")
    if note.run_url:
        lines.append(f"- Run: {note.run_url}")
    for rule in note.rules:
        lines.append(f"- Rule: {safe_words(rule, own_secrets)}")
    if note.failure:
        lines += ["", "```text", *_fenced(note.failure, own_secrets), "```"]
    if note.words:
        lines += ["", *(f"> {line}".rstrip() for line in safe_words(note.words, own_secrets).splitlines())]
    return "\n".join(lines).strip() + "\n"


def _at(commit: str) -> str:
    return f" at `{commit[:12]}`" if commit else ""


def _fenced(text: str, own_secrets: tuple[bytes, ...]) -> list[str]:
    return safe_words(text, own_secrets).replace("```", "'''").splitlines()[:40]


def safe_words(text: str, own_secrets: tuple[bytes, ...] = (), limit: int = _WORDS_LIMIT) -> str:
    """Foreign words for publication: bounded, without mentions; none of them where a secret is among them."""
    if any(leaks(text.encode(), own_secrets)):
        return "(left out: a secret stands in it)"
    text = text.strip()
    if len(text) > limit:
        text = text[:limit].rsplit("\n", 1)[0] + "\n… (cut)"
    return _MENTION.sub("@\u2060", text)
