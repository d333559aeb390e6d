"""Secrets in what is about to be published: well-known shapes, and the literal secrets of this run."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Shapes as their issuers document them: GitHub's token prefixes, OpenAI's keys, PEM (RFC 7468), AWS access key ids.
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a GitHub token", re.compile(rb"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60}")),
    ("an OpenAI key", re.compile(rb"(?<![A-Za-z0-9-])sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20}")),
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a Slack token", re.compile(rb"\bxox[abprs]-[A-Za-z0-9-]{10,}\b")),
)
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret found: what it is and its line, from 1. Never its text."""

    what: str
    line: int


def needles(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """What to look for so that none of ``secrets`` passes, plain or in base64 at any offset."""
    found: set[bytes] = set()
    for secret in secrets:
        raw = secret.strip().encode()
        if len(raw) < _SHORTEST:
            continue
        found.add(raw)
        for shift in range(3):
            # The characters at both ends mix with their neighbours' bits; the middle does not depend on them.
            text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
            found.add(text[(0, 2, 3)[shift] : -1])
            found.add(text[(0, 2, 3)[shift] : -1].replace(b"+", b"-").replace(b"/", b"_"))
    return tuple(sorted(found, key=len, reverse=True))


def leaks(content: bytes, own: tuple[bytes, ...], before: bytes = b"") -> Iterator[Leak]:
    """Secrets in ``content``. A well-known shape that stood in the file ``before`` is not reported again."""
    for needle in own:
        at = content.find(needle)
        if at >= 0:
            yield Leak("a secret of this run", content.count(b"\n", 0, at) + 1)
        elif content.translate(None, b"\r\n").find(needle) >= 0:
            # Base64 is written in lines of 64 or 76: a secret may lie across two of them.
            yield Leak("a secret of this run, broken into lines", 0)
    for what, shape in _SHAPES:
        for found in shape.finditer(content):
            if found[0] not in before:
                yield Leak(what, content.count(b"\n", 0, found.start()) + 1)
