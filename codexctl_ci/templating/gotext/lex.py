"""Cuts a Go template into tokens."""

from __future__ import annotations

import re
from typing import Final


class Kind:
    """What a token is; most are also names of groups in the pattern below."""

    FIELD: Final = "FIELD"
    IDENTIFIER: Final = "IDENTIFIER"
    STRING: Final = "STRING"
    VARIABLE: Final = "VARIABLE"
    RIGHT: Final = "RIGHT"
    PIPE: Final = "PIPE"
    NUMBER: Final = "NUMBER"
    LEFT_PAREN: Final = "LEFT_PAREN"
    RIGHT_PAREN: Final = "RIGHT_PAREN"
    DECLARE: Final = "DECLARE"
    ASSIGN: Final = "ASSIGN"
    RAW_STRING: Final = "RAW_STRING"
    CHARACTER: Final = "CHARACTER"
    MARK: Final = "MARK"
    TEXT: Final = "TEXT"
    LEFT: Final = "LEFT"
    DOT: Final = "DOT"
    BOOL: Final = "BOOL"
    COMPLEX: Final = "COMPLEX"
    KEYWORD: Final = "KEYWORD"
    ERROR: Final = "ERROR"
    EOF: Final = "EOF"


Token = tuple[str, str, int, bool]
"""Kind, source text (for ERROR the reason), offset, and whether white space stands before it."""

_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"})
_SPACES = " \t\r\n"
_HEX = r"0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
_OCTAL = r"0[oO][0-7_]*(?:\.[0-7_]*)?"
_BINARY = r"0[bB][01_]*(?:\.[01_]*)?"
_DECIMAL = r"[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?"
_NUMBER = re.compile(rf"[+-]?(?:{_HEX}|{_OCTAL}|{_BINARY}|{_DECIMAL})i?")
_WORD = re.compile(r"\w")
_SPACE_RUN = re.compile(r"[ \t\r\n]*")
_INSIDE = re.compile(
    r"""[ \t\r\n]*(?:
     (?P<RIGHT>}}|(?<=[ \t\r\n])-}})
    |(?P<FIELD>\.(?!\d)\w*)(?=[ \t\r\n.,|:)(]|}}|\Z)
    |(?P<IDENTIFIER>[^\W\d]\w*)(?=[ \t\r\n.,|:)(]|}}|\Z)
    |(?P<STRING>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<VARIABLE>\$\w*)(?=[ \t\r\n.,|:)(]|}}|\Z)
    |(?P<PIPE>\|)
    |(?P<NUMBER>(?=[-+\d]|\.\d))
    |(?P<LEFT_PAREN>\()
    |(?P<RIGHT_PAREN>\))
    |(?P<DECLARE>:=)
    |(?P<ASSIGN>=)
    |(?P<RAW_STRING>`[^`]*`)
    |(?P<CHARACTER>'(?:[^'\\\n]|\\[^\n])*')
    |(?P<MARK>[!#%&*,/;<>?@\[\\\]^{}~])
    )""",
    re.VERBOSE,
)
_UNREADABLE = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
    ":": "expected :=",
}


class _Malformed(Exception):
    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


def lex(text: str) -> list[Token]:
    """All tokens of ``text``; the last one is EOF, or ERROR where no more can be read."""
    tokens: list[Token] = []
    try:
        _lex_all(text, tokens)
    except _Malformed as error:
        tokens.append((Kind.ERROR, str(error), error.offset, False))
    else:
        tokens.append((Kind.EOF, "", len(text), False))
    return tokens


def _lex_all(text: str, tokens: list[Token]) -> None:
    position = 0
    while (left := text.find("{{", position)) >= 0:
        inside = left + 2
        stop = left
        if text.startswith("-", inside) and text[inside + 1 : inside + 2] in (" ", "\t", "\r", "\n"):
            stop = position + len(text[position:left].rstrip(_SPACES))
            inside += 2
        if stop > position:
            tokens.append((Kind.TEXT, text[position:stop], position, False))
        if text.startswith("/*", inside):
            position = _skip_comment(text, inside)
        else:
            tokens.append((Kind.LEFT, "{{", left, False))
            position = _lex_action(text, inside, left, tokens)
    if position < len(text):
        tokens.append((Kind.TEXT, text[position:], position, False))


def _skip_comment(text: str, start: int) -> int:
    end = text.find("*/", start + 2)
    if end < 0:
        raise _Malformed("unclosed comment", start)
    end += 2
    if text.startswith("}}", end):
        return end + 2
    if text[end : end + 1] in (" ", "\t", "\r", "\n") and text.startswith("-}}", end + 1):
        return _after_spaces(text, end + 4)
    raise _Malformed("comment ends before closing delimiter", start)


def _after_spaces(text: str, position: int) -> int:
    match = _SPACE_RUN.match(text, position)
    return match.end() if match else position


def _lex_action(text: str, position: int, left: int, tokens: list[Token]) -> int:
    """Reads up to the closing delimiter and returns where the text after it starts."""
    depth = 0
    while match := _INSIDE.match(text, position):
        kind = match.lastgroup or ""
        start, end = match.span(kind)
        value = text[start:end]
        if kind in ("FIELD", "IDENTIFIER", "VARIABLE"):
            kind = _word_kind(kind, value, start)
        elif kind == Kind.RIGHT:
            if depth:
                raise _Malformed("unclosed left paren", start)
            tokens.append((kind, value, start, start > position))
            return end if value == "}}" else _after_spaces(text, end)
        elif kind == Kind.NUMBER:
            kind, end = _lex_number(text, start)
            value = text[start:end]
        elif kind == Kind.LEFT_PAREN:
            depth += 1
        elif kind == Kind.RIGHT_PAREN:
            depth -= 1
            if depth < 0:
                raise _Malformed("unexpected right paren", start)
        tokens.append((kind, value, start, start > position))
        position = end
    raise _unreadable(text, _after_spaces(text, position), left)


def _word_kind(kind: str, value: str, offset: int) -> str:
    if not value.isascii() and not all(c in "_.$" or c.isalpha() or c.isdecimal() for c in value):
        raise _Malformed(f"bad character in {value!r}", offset)
    if kind == Kind.FIELD:
        return Kind.DOT if value == "." else kind
    if kind == Kind.IDENTIFIER:
        if value in _KEYWORDS:
            return Kind.KEYWORD
        if value in ("true", "false"):
            return Kind.BOOL
    return kind


def _lex_number(text: str, start: int) -> tuple[str, int]:
    end = _scan_number(text, start)
    if text[end : end + 1] in ("+", "-"):
        end = _scan_number(text, end)
        if text[end - 1] != "i":
            raise _Malformed(f"bad number syntax: {text[start:end]!r}", start)
        return Kind.COMPLEX, end
    return Kind.NUMBER, end


def _scan_number(text: str, position: int) -> int:
    match = _NUMBER.match(text, position)
    end = match.end() if match else position
    if end == position or _WORD.match(text, end):
        raise _Malformed(f"bad number syntax: {text[position : end + 1]!r}", position)
    return end


def _unreadable(text: str, position: int, left: int) -> _Malformed:
    if position >= len(text):
        return _Malformed("unclosed action", left)
    c = text[position]
    reason = _UNREADABLE.get(c)
    if reason is None:
        word = re.compile(r"[.$]?\w*").match(text, position)
        after = text[word.end() : word.end() + 1] if word and word.group() else ""
        reason = f"bad character {after!r} after {word.group()!r}" if word and after else f"unexpected character {c!r}"
    return _Malformed(reason, position)
