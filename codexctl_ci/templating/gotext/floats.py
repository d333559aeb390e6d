"""Floating-point numbers as Go writes them."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple


class _Digits(NamedTuple):
    digits: str
    point: int
    """Where the decimal point stands: the value is 0.digits times ten to this."""


def format_float(value: float, verb: str, precision: int = -1) -> str:
    """``value`` by one of the verbs ``b e E f g G x X``; precision -1 means as many digits as tell it apart."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    value = abs(value)
    if verb == "b":
        return sign + _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return sign + (text.upper() if verb == "X" else text)
    if verb == "f":
        return sign + (_plain(_shortest(value)) if precision < 0 else f"{value:.{precision}f}")
    lower = verb.lower()
    if lower == "e":
        text = _exponent(_shortest(value)) if precision < 0 else f"{value:.{precision}e}"
    else:
        text = _general(value, precision)
    return sign + (text.upper() if verb in "EG" else text)


def _shortest(value: float) -> _Digits:
    mantissa, _, exponent = repr(value).partition("e")
    return _split(mantissa, int(exponent or 0))


def _split(mantissa: str, exponent: int) -> _Digits:
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    stripped = digits.lstrip("0")
    if not stripped:
        return _Digits("", 0)
    return _Digits(stripped.rstrip("0"), len(whole) - (len(digits) - len(stripped)) + exponent)


def _general(value: float, precision: int) -> str:
    if precision < 0:
        number, threshold = _shortest(value), 6
    else:
        precision = precision or 1
        mantissa, _, exponent = f"{value:.{precision - 1}e}".partition("e")
        number = _split(mantissa, int(exponent))
        count = len(number.digits)
        threshold = count if precision > count >= number.point else precision
    power = number.point - 1
    if number.digits and (power < -4 or power >= threshold):
        return _exponent(number)
    return _plain(number)


def _exponent(number: _Digits) -> str:
    digits = number.digits or "0"
    power = number.point - 1 if number.digits else 0
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _plain(number: _Digits) -> str:
    digits, point = number
    if point <= 0:
        return "0." + "0" * -point + digits if digits else "0"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{whole}.{fraction}" if fraction else whole


def _parts(value: float) -> tuple[int, int]:
    bits = struct.unpack(">Q", struct.pack(">d", value))[0]
    exponent = (bits >> 52) & 0x7FF
    mantissa = bits & ((1 << 52) - 1)
    if exponent == 0:
        return mantissa, 1 - 1023
    return mantissa | 1 << 52, exponent - 1023


def _binary(value: float) -> str:
    mantissa, exponent = _parts(value)
    return f"{mantissa}p{exponent - 52:+d}"


def _hexadecimal(value: float, precision: int) -> str:
    mantissa, exponent = _parts(value)
    if mantissa == 0:
        exponent = 0
    mantissa <<= 8
    while mantissa and not mantissa & 1 << 60:
        mantissa <<= 1
        exponent -= 1
    if 0 <= precision < 15:
        shift = precision * 4
        rest = (mantissa << shift) & ((1 << 60) - 1)
        mantissa >>= 60 - shift
        if rest | (mantissa & 1) > 1 << 59:
            mantissa += 1
        mantissa <<= 60 - shift
        if mantissa & 1 << 61:
            mantissa >>= 1
            exponent += 1
    fraction = f"{mantissa & ((1 << 60) - 1):015x}"
    fraction = fraction.rstrip("0") if precision < 0 else fraction[:precision].ljust(precision, "0")
    point = "." if fraction else ""
    return f"0x{mantissa >> 60 & 1}{point}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
