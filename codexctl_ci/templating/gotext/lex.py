"""Cuts a Go template into tokens."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()
    STRING = auto()
    RAW_STRING = auto()
    CHARACTER = auto()
    NUMBER = auto()
    COMPLEX = auto()
    BOOL = auto()
    DOT = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    MARK = auto()
    KEYWORD = auto()
    ERROR = auto()
    EOF = auto()


class Token(NamedTuple):
    """``value`` is the source text (for ERROR the reason), ``offset`` where it starts."""

    kind: Kind
    value: str
    offset: int


KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"})

_SPACES = " \t\r\n"
_TERMINATORS = frozenset(" \t\r\n.,|:)(")
_HEX = r"0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
_OCTAL = r"0[oO][0-7_]*(?:\.[0-7_]*)?"
_BINARY = r"0[bB][01_]*(?:\.[01_]*)?"
_DECIMAL = r"[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?"
_NUMBER = re.compile(rf"[+-]?(?:{_HEX}|{_OCTAL}|{_BINARY}|{_DECIMAL})i?")
_WORD = re.compile(r"\w*")
_INSIDE = re.compile(
    r"""(?P<SPACE>[ \t\r\n]+)
    |(?P<FIELD>\.(?!\d)\w*)
    |(?P<IDENTIFIER>[^\W\d]\w*)
    |(?P<STRING>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<VARIABLE>\$\w*)
    |(?P<PIPE>\|)
    |(?P<NUMBER>(?=[-+.\d]))
    |(?P<LEFT_PAREN>\()
    |(?P<RIGHT_PAREN>\))
    |(?P<DECLARE>:=)
    |(?P<ASSIGN>=)
    |(?P<RAW_STRING>`[^`]*`)
    |(?P<CHARACTER>'(?:[^'\\\n]|\\[^\n])*')
    |(?P<MARK>[!#%&*,/;<>?@\[\\\]^{}~-])""",
    re.VERBOSE,
)
_UNCLOSED = {'"': "unterminated quoted string", "`": "unterminated raw quoted string", "'": "unterminated character"}


class _Malformed(Exception):
    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


def lex(text: str) -> list[Token]:
    """All tokens of ``text``; the last one is EOF, or ERROR where no more can be read."""
    tokens: list[Token] = []
    try:
        end = _lex_all(text, tokens)
    except _Malformed as error:
        tokens.append(Token(Kind.ERROR, str(error), error.offset))
    else:
        tokens.append(Token(Kind.EOF, "EOF", end))
    return tokens


def _lex_all(text: str, tokens: list[Token]) -> int:
    position = 0
    while (left := text.find("{{", position)) >= 0:
        inside = left + 2
        stop = left
        if text[inside : inside + 1] == "-" and text[inside + 1 : inside + 2] in (" ", "\t", "\r", "\n"):
            stop = position + len(text[position:left].rstrip(_SPACES))
            inside += 2
        if stop > position:
            tokens.append(Token(Kind.TEXT, text[position:stop], position))
        if text.startswith("/*", inside):
            position = _skip_comment(text, inside)
        else:
            tokens.append(Token(Kind.LEFT, "{{", left))
            position = _lex_action(text, inside, left, tokens)
    if position < len(text):
        tokens.append(Token(Kind.TEXT, text[position:], position))
    return len(text)


def _skip_comment(text: str, start: int) -> int:
    end = text.find("*/", start + 2)
    if end < 0:
        raise _Malformed("unclosed comment", start)
    close = _right(text, end + 2)
    if close is None:
        raise _Malformed("comment ends before closing delimiter", start)
    return close[1]


def _right(text: str, position: int) -> tuple[int, int] | None:
    """Where the closing delimiter at ``position`` ends, and where the text after it starts; None where none is."""
    if text.startswith("}}", position):
        return position + 2, position + 2
    if text[position : position + 1] in (" ", "\t", "\r", "\n") and text.startswith("-}}", position + 1):
        end = position + 4
        return end, len(text) - len(text[end:].lstrip(_SPACES))
    return None


def _lex_action(text: str, position: int, left: int, tokens: list[Token]) -> int:
    """Reads up to the closing delimiter and returns where the text after it starts."""
    depth = 0
    while True:
        close = _right(text, position)
        if close:
            if depth:
                raise _Malformed("unclosed left paren", position)
            tokens.append(Token(Kind.RIGHT, "}}", position))
            return close[1]
        match = _INSIDE.match(text, position)
        if not match:
            raise _unreadable(text, position, left)
        kind = Kind[match.lastgroup or ""]
        value = match.group()
        if kind is Kind.SPACE:
            if text.startswith("-}}", match.end()):
                value = value[:-1]  # the last one belongs to the delimiter
        elif kind is Kind.NUMBER:
            kind, value = _lex_number(text, position)
        elif kind in (Kind.FIELD, Kind.IDENTIFIER, Kind.VARIABLE):
            kind = _check_word(text, position, kind, value)
        elif kind is Kind.LEFT_PAREN:
            depth += 1
        elif kind is Kind.RIGHT_PAREN:
            depth -= 1
            if depth < 0:
                raise _Malformed("unexpected right paren", position)
        tokens.append(Token(kind, value, position))
        position += len(value)


def _check_word(text: str, position: int, kind: Kind, value: str) -> Kind:
    end = position + len(value)
    ended = end >= len(text) or text[end] in _TERMINATORS or text.startswith("}}", end)
    if not ended or not (value.isascii() or all(c in "_.$" or c.isalpha() or c.isdecimal() for c in value)):
        raise _Malformed(f"bad character {text[end : end + 1]!r} after {value!r}", position)
    if kind is Kind.FIELD and value == ".":
        return Kind.DOT
    if kind is Kind.IDENTIFIER:
        if value in KEYWORDS:
            return Kind.KEYWORD
        if value in ("true", "false"):
            return Kind.BOOL
    return kind


def _lex_number(text: str, position: int) -> tuple[Kind, str]:
    end = _scan_number(text, position)
    if text[end : end + 1] in ("+", "-"):
        end = _scan_number(text, end)
        if text[end - 1] != "i":
            raise _Malformed(f"bad number syntax: {text[position:end]!r}", position)
        return Kind.COMPLEX, text[position:end]
    return Kind.NUMBER, text[position:end]


def _scan_number(text: str, position: int) -> int:
    match = _NUMBER.match(text, position)
    end = match.end() if match else position
    if match is None or _WORD.match(text, end, end + 1).group():  # type: ignore[union-attr]
        raise _Malformed(f"bad number syntax: {text[position : end + 1]!r}", position)
    return end


def _unreadable(text: str, position: int, left: int) -> _Malformed:
    if position >= len(text):
        return _Malformed("unclosed action", left)
    c = text[position]
    if c == ":":
        return _Malformed("expected :=", position)
    return _Malformed(_UNCLOSED.get(c, f"unrecognized character in action: {c!r}"), position)
