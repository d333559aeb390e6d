"""Characters that a reader of the page doesn't see and a model does."""

from __future__ import annotations

import html
import re
import unicodedata

_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian selectors
    (0x200B, 0x200F),  # zero width, direction marks
    (0x202A, 0x202E),  # bidirectional embedding and override
    (0x2060, 0x206F),  # word joiner, invisible operators, isolates
    (0x2800, 0x2800),  # Braille blank
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF0, 0xFFFB),  # specials
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0xE0FFF),  # tags, more variation selectors
)
# Control, format, surrogate and private-use characters show nothing that all readers agree on.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})
_KEPT = "\n\t"
_BREAKS = re.compile("\r\n?|[\u2028\u2029\u0085\x0b\x0c]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});?")
_PLAIN = re.compile(r"[\n\t -~]*\Z")


def is_invisible(character: str) -> bool:
    """Whether ``character`` (one) is drawn as nothing, or turns the text around it."""
    if character in _KEPT:
        return False
    code = ord(character)
    if any(low <= code <= high for low, high in _RANGES):
        return True
    return unicodedata.category(character) in _CATEGORIES


def without_invisible(text: str) -> str:
    """``text`` without such characters, raw or as HTML entities; every kind of line break becomes a newline."""
    text = _BREAKS.sub("\n", text)
    text = _ENTITY.sub(_keep_visible, text)
    if _PLAIN.match(text):
        return text
    return text.translate(_VISIBLE)


class _Visible(dict[int, str | None]):
    """A table for ``str.translate``, filled as characters are met."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        self[code] = None if is_invisible(character) else character
        return self[code]


_VISIBLE = _Visible()


def _keep_visible(entity: re.Match[str]) -> str:
    shown = html.unescape(entity[0])
    # An unknown name stays as it is: it is shown as written.
    hidden = shown != entity[0] and all(is_invisible(character) for character in shown)
    return "" if hidden else entity[0]
