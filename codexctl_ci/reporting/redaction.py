"""Secrets of this run, and text without them."""

from __future__ import annotations

MASK = "***"
_SHORTEST = 4


class Redactor:
    """Knows the run's own secrets and takes them out of any text, plain, base64, percent-encoded or as a JSON string.

    Values shorter than four characters are not taken out: the text would be unreadable and nothing safer.
    """

    def __init__(self) -> None:
        self._needles: list[str] = []

    def register(self, secret: str) -> None:
        """From now on ``secret`` never passes. Lines of a multi-line secret are secret one by one."""
        import base64
        import json
        from urllib.parse import quote

        found = set(self._needles)
        for value in {secret, *secret.splitlines()}:
            value = value.strip()
            if len(value) < _SHORTEST:
                continue
            raw = value.encode()
            # Base64 of a text that holds the secret differs by its offset in a group of three bytes.
            shifted = {base64.b64encode(b"\0" * n + raw).decode()[(0, 2, 3)[n] :].rstrip("=")[:-1] for n in range(3)}
            found |= {value, quote(value, safe=""), *(json.dumps(value, ensure_ascii=x)[1:-1] for x in (True, False))}
            found |= {*(form for form in shifted if len(form) >= 2 * _SHORTEST)}
        self._needles = sorted(found, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` with every registered secret masked."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, MASK)
        return text

    def finds(self, text: str) -> bool:
        """Whether ``text`` holds a registered secret."""
        return any(needle in text for needle in self._needles)
