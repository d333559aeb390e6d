"""Secrets in what is about to be published: well-known shapes, and the literal secrets of this run."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

# Shapes as their issuers document them: prefixes that stand for nothing else, so that honest text is left in peace.
# No guess by entropy or by names of variables: fixtures, hashes and lock files would be refused with them.
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a GitHub token", re.compile(rb"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60}")),
    ("an OpenAI key", re.compile(rb"(?<![A-Za-z0-9-])sk-(?:proj-|svcacct-|admin-|ant-)?[A-Za-z0-9_-]{20}")),
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a Slack token", re.compile(rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}\b")),
    ("a Slack webhook", re.compile(rb"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20}")),
    ("a GitLab token", re.compile(rb"\bgl(?:pat|dt|rt|ptt|cbt|ft|imt|agent|oas)-[A-Za-z0-9_-]{20}")),
    ("a Google API key", re.compile(rb"\bAIza[A-Za-z0-9_-]{35}")),
    ("a Stripe key", re.compile(rb"\b[rs]k_live_[A-Za-z0-9]{24}")),
    ("an npm token", re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50}")),
    ("a Hugging Face token", re.compile(rb"\bhf_[A-Za-z]{34}\b")),
    ("a SendGrid key", re.compile(rb"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")),
    ("a DigitalOcean token", re.compile(rb"\bdo[opr]_v1_[a-f0-9]{64}")),
    # A signed token whose claims name kubernetes.io, in base64 at any of its three offsets.
    (
        "a token of a Kubernetes account",
        re.compile(
            rb"(?<![\w-])eyJ[\w-]{10,4096}\.[\w-]{0,4096}(?:a3ViZXJuZXRlcy5pb|t1YmVybmV0ZXMuaW|rdWJlcm5ldGVzLml)"
        ),
    ),
)
_SHORTEST = 8
_LONG_LINE = 24
_SEPARATORS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret found: what it is and its line, from 1. Never its text."""

    what: str
    line: int


def needles(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """What to look for so that none of ``secrets`` passes: plain, in base64 at any offset, in hex, in a URL, in JSON.

    Of secrets with several lines each long line is one as well.
    """
    found: set[bytes] = set()
    for secret in secrets:
        secret = secret.strip()
        lines = [line.strip() for line in secret.splitlines()]
        for value in {secret, *(line for line in lines if len(line) >= _LONG_LINE and len(lines) > 1)}:
            if len(value) >= _SHORTEST:
                found |= set(_forms(value))
    return tuple(sorted(found, key=len, reverse=True))


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    yield json.dumps(value)[1:-1].encode()
    for digits in (raw.hex(), raw.hex(" "), raw.hex(":"), "\\x" + raw.hex(" ").replace(" ", "\\x")):
        yield digits.encode()
        yield digits.upper().replace("\\X", "\\x").encode()
    for escaped in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield escaped.encode()
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), escaped).encode()
    for shift in range(3):
        # The characters at both ends mix with their neighbours' bits; the middle does not depend on them.
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")[(0, 2, 3)[shift] : -1]
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


def leaks(content: bytes, own: tuple[bytes, ...], before: bytes = b"") -> Iterator[Leak]:
    """Secrets in ``content``. A well-known shape that stood in the file ``before`` is not reported again."""
    yield from _own(content, own)
    for what, shape in _SHAPES:
        for found in shape.finditer(content):
            if found[0] not in before:
                yield Leak(what, content.count(b"\n", 0, found.start()) + 1)


def _own(content: bytes, own: tuple[bytes, ...]) -> Iterator[Leak]:
    places = sorted({at for needle in own if (at := content.find(needle)) >= 0})
    lines = {content.count(b"\n", 0, at) + 1 for at in places}
    for line in sorted(lines):
        yield Leak("a secret of this run", line)
    if lines or not own:
        return
    # Base64 is written in lines of 64 or 76: a secret may lie across two of them.
    joined = content.translate(None, _SEPARATORS)
    if any(needle.translate(None, _SEPARATORS) in joined for needle in own):
        yield Leak("a secret of this run, broken into lines", 0)
