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
_ENDS_OF_LINES = re.compile("\r\n?")
_BREAKS = re.compile("\r\n?|[\u2028\u2029\u0085\x0b\x0c]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});?")
_PLAIN = re.compile(r"[\n\t -~]*\Z")
# Joiners and selectors that writing needs: letters of scripts that join, one at a time between two of them; pictures
# made of several; three flags.
_JOINING = "\u0620-\u064a\u066e-\u06d5\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c7\u0900-\u0dff"
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001f3fa\U0001f400-\U0001faff]"
    "(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
)
_NEEDED = re.compile(
    "\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(sign)) for sign in flag) for flag in ("gbeng", "gbsct", "gbwls"))
    + ")\U000e007f"
    f"|{_PICTURE}(?:\u200d{_PICTURE})*(?![\ufe00-\ufe0f])"
    "|[#*0-9]\ufe0f(?=\u20e3)"
    f"|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
)


def is_invisible(character: str) -> bool:
    """Whether ``character`` (one) is drawn as nothing, or turns the text around it."""
    if character in _KEPT:
        return False
    code = ord(character)
    if any(low <= code <= high for low, high in _RANGES):
        return True
    return unicodedata.category(character) in _CATEGORIES


def normal_breaks(text: str) -> str:
    """``text`` with newlines for the ends of lines that Markdown knows, and for no other."""
    return _ENDS_OF_LINES.sub("\n", text)


def without_invisible(text: str) -> str:
    """``text`` without such characters, raw or as HTML entities; every kind of line break becomes a newline."""
    return visible_characters(_ENTITY.sub(_keep_visible, _BREAKS.sub("\n", text)))


def visible_characters(text: str) -> str:
    """``text`` without such characters, entities left alone. Joiners that letters and emoji need stay."""
    text = _BREAKS.sub("\n", text)
    if _PLAIN.match(text):
        return text
    pieces, last = [], 0
    for needed in _NEEDED.finditer(text):
        pieces += [text[last : needed.start()].translate(_VISIBLE), needed[0]]
        last = needed.end()
    return "".join(pieces) + text[last:].translate(_VISIBLE)


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
