"""Which variables hold secrets, by their names alone."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(TOKEN|_PAT|_PASS|PASSWD|PASSWORD|PASSWORDS)(?![A-Z])|SECRET|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY"
)


def names_a_secret(name: str) -> bool:
    """Whether the value of a variable of this name must not be seen. ``MAX_TOKENS`` and ``APP_PATH`` are none."""
    return _SECRET.search(name.upper()) is not None
