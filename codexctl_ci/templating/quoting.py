"""Go's quoted strings, both ways: what ``%q`` writes and what a string literal means."""

from __future__ import annotations

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_UNESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_NUMERIC = {"x": 2, "u": 4, "U": 8}


def quote(text: str, *, mark: str = '"', ascii_only: bool = False) -> str:
    """``text`` as a Go string constant between ``mark``; what can't be printed is escaped."""
    if mark == '"' and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return mark + "".join(_escaped(c, mark, ascii_only) for c in text) + mark


def _escaped(c: str, mark: str, ascii_only: bool) -> str:
    if c == mark:
        return "\\" + c
    if c in _ESCAPES:
        return _ESCAPES[c]
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if c.isprintable() and (code < 0x80 or not ascii_only):
        return c
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(literal: str) -> str:
    """The text that a double-quoted or raw literal stands for. ValueError where it is malformed."""
    mark, body = literal[0], literal[1:-1]
    if len(literal) < 2 or literal[-1] != mark:
        raise ValueError("invalid syntax")
    if mark == "`":
        return body.replace("\r", "")
    if "\n" in body:
        raise ValueError("invalid syntax")
    if "\\" not in body:
        return body
    out = bytearray()
    position = 0
    while position < len(body):
        piece, position = unquote_char(body, position, mark)
        out += piece
    return out.decode("utf-8", "surrogateescape")


def unquote_char(body: str, position: int, mark: str) -> tuple[bytes, int]:
    """The bytes of the character or escape at ``position``, and where the next one starts."""
    c = body[position]
    if c == mark:
        raise ValueError("invalid syntax")
    if c != "\\":
        return c.encode("utf-8", "surrogateescape"), position + 1
    kind = body[position + 1 : position + 2]
    position += 2
    if kind in _UNESCAPES:
        return _UNESCAPES[kind].encode(), position
    if kind and kind == mark:
        return kind.encode(), position
    if kind in _NUMERIC:
        digits = body[position : position + _NUMERIC[kind]]
        code = _number(digits, _NUMERIC[kind], 16)
        if kind == "x":
            return bytes([code]), position + 2
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise ValueError("invalid syntax")
        return chr(code).encode(), position + len(digits)
    code = _number(body[position - 1 : position + 2], 3, 8)
    if code > 255:
        raise ValueError("invalid syntax")
    return bytes([code]), position + 2


def _number(digits: str, length: int, base: int) -> int:
    if len(digits) != length or not digits.isascii() or not digits.isalnum():
        raise ValueError("invalid syntax")
    return int(digits, base)
