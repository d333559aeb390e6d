"""What to do about causes that registries and builders name in words of their own."""

from __future__ import annotations

import re

_CAUSES = (
    (
        re.compile(r"no space left on device|disk quota exceeded|ENOSPC", re.IGNORECASE),
        "a disk is full: make room where it builds, or in the registry's store (`codexctl-ci images gc`, then the "
        "registry's own collection)",
    ),
    (
        re.compile(r"immutab|TAG_INVALID|tag.{0,80}already exists", re.IGNORECASE),
        "the registry lets no tag move: name another tag in services.yaml, or allow this repository's tags to change",
    ),
)


def advice_on(text: str, otherwise: str = "") -> str:
    """What to do, where ``text`` names a cause that is known."""
    return next((advice for pattern, advice in _CAUSES if pattern.search(text)), otherwise)
