"""What a number or character literal means, by Go's rules for constants."""

from __future__ import annotations

import re

from codexctl_ci.templating.gotext.nodes import Number
from codexctl_ci.templating.gotext.values import MAX_INT, MIN_INT, decode
from codexctl_ci.templating.quoting import unquote_char

_DIGITS = r"[0-9](?:_?[0-9])*"
_INTEGER = re.compile(
    r"([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]?((?:_?[0-7])+)|(0|[1-9](?:_?[0-9])*))"
)
_BASES = (16, 2, 8, 10)
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:_?[0-9a-fA-F])*\.?(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?[pP][+-]?" + _DIGITS)
_PAIR = re.compile(r"([+-]?[^+-]+(?:[eEpP][+-][^+-]+)?)([+-].+)i")


def read_number(text: str, offset: int) -> Number:
    """The literal under every type it fits. ValueError where it fits none."""
    number = Number(offset, text)
    if text.endswith("i") and (imaginary := _float(text[:-1])) is not None:
        number.as_complex = complex(0, imaginary)
        return _simplified(number)
    value = _integer(text)
    if value is not None:
        # A sign makes it no unsigned number, but for minus zero.
        if 0 <= value < 2**64 and (text[0] not in "+-" or value == 0):
            number.as_uint = value
        if MIN_INT <= value <= MAX_INT:
            number.as_int = value
    if number.as_int is not None:
        number.as_float = float(number.as_int)
    elif number.as_uint is not None:
        number.as_float = float(number.as_uint)
    elif (floating := _float(text)) is not None:
        if not any(c in text for c in ".eEpP"):
            raise ValueError(f"integer overflow: {text!r}")
        number.as_float = floating
        _add_integers(number, floating)
    else:
        raise ValueError(f"illegal number syntax: {text!r}")
    return number


def read_character(text: str, offset: int) -> Number:
    """The literal ``'x'`` as a number. ValueError where it is not one character."""
    body = text[1:-1]
    if not body:
        raise ValueError("invalid syntax")
    data, end = unquote_char(body, 0, "'")
    if end != len(body):
        raise ValueError(f"malformed character constant: {text}")
    # An escaped byte counts as that number, not as a piece of UTF-8.
    code = data[0] if len(data) == 1 else ord(decode(data))
    number = Number(offset, text)
    number.as_int = number.as_uint = code
    number.as_float = float(code)
    return number


def read_complex(text: str, offset: int) -> Number:
    """The literal ``1+2i``. ValueError where a part is no number."""
    match = _PAIR.fullmatch(text)
    parts = (_float(match.group(1)), _float(match.group(2))) if match else (None, None)
    if parts[0] is None or parts[1] is None:
        raise ValueError(f"illegal number syntax: {text!r}")
    number = Number(offset, text)
    number.as_complex = complex(parts[0], parts[1])
    return _simplified(number)


def _simplified(number: Number) -> Number:
    if number.as_complex is not None and number.as_complex.imag == 0:
        number.as_float = number.as_complex.real
        _add_integers(number, number.as_float)
    return number


def _add_integers(number: Number, value: float) -> None:
    if value.is_integer():
        whole = int(value)
        if MIN_INT <= whole <= MAX_INT:
            number.as_int = whole
        if 0 <= whole < 2**64:
            number.as_uint = whole


def _integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    if not match:
        return None
    sign, *digits = match.groups()
    value = next(int(part.replace("_", ""), base) for part, base in zip(digits, _BASES, strict=True) if part)
    return -value if sign == "-" else value


def _float(text: str) -> float | None:
    if _DECIMAL.fullmatch(text):
        value = float(text)
    elif _HEXADECIMAL.fullmatch(text) and re.search(r"[xX]_?[0-9a-fA-F]|\.[0-9a-fA-F]", text):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            return None
    else:
        return None
    return None if value in (float("inf"), float("-inf")) else value
