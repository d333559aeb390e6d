"""One value by one verb, as Go's fmt package writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codexctl_ci.templating.errors import FunctionError
from codexctl_ci.templating.gotext.floats import format_float
from codexctl_ci.templating.gotext.values import (
    NilPointer,
    Struct,
    TypedInt,
    encode,
    is_unsigned,
    sorted_items,
    type_name,
)
from codexctl_ci.templating.quoting import quote


@dataclass(slots=True)
class Flags:
    """What stands between ``%`` and the verb. ``width`` and ``precision`` are None where not given."""

    width: int | None = None
    precision: int | None = None
    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False


def format_value(value: object, verb: str, flags: Flags) -> str:
    """``value`` by ``verb``; a verb that doesn't fit gives Go's ``%!verb(type=value)``."""
    return _Printer(flags).argument(value, verb)


def sprint(*values: object) -> str:
    """What ``print`` gives: a space between two values where neither is a string."""
    pieces: list[str] = []
    after_text = True
    for value in values:
        is_text = isinstance(value, str)
        if not is_text and not after_text:
            pieces.append(" ")
        pieces.append(value if isinstance(value, str) else display(value))
        after_text = is_text
    return "".join(pieces)


def display(value: object) -> str:
    """``value`` by ``%v``."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    return _Printer(Flags()).argument(value, "v")


class _Printer:
    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._complaining = False

    def argument(self, value: object, verb: str) -> str:
        if value is None:
            return self._pad("<nil>") if verb in "Tv" else self._bad(value, verb)
        if verb == "T":
            return self._text(type_name(value), "s")
        if verb == "p":
            if isinstance(value, list | tuple | Mapping):
                raise FunctionError("%p: addresses have no place in a template")
            return self._bad(value, verb)
        return self._value(value, verb, 0)

    def _value(self, value: object, verb: str, depth: int) -> str:
        if isinstance(value, str):
            return self._text(value, verb)
        if isinstance(value, bool):
            return self._pad("true" if value else "false") if verb in "tv" else self._bad(value, verb)
        if isinstance(value, TypedInt | Struct):
            named = self._named(value, verb)
            if named is not None:
                return named
        if isinstance(value, int):
            return self._integer(value, verb)
        if isinstance(value, float):
            return self._float(value, verb)
        if isinstance(value, complex):
            return self._complex(value, verb)
        if isinstance(value, list | tuple):
            return self._list(value, verb, depth)
        if isinstance(value, Mapping):
            return self._map(value, verb, depth)
        if value is None:
            return "interface {}(nil)" if self._flags.sharp_v else "<nil>"
        if isinstance(value, Struct):
            return f"{{{' '.join(self._value(field, verb, depth + 1) for field in value.fields())}}}"
        if isinstance(value, NilPointer):
            if verb == "v":
                return self._pad("<nil>")
            return self._integer(0, verb) if verb in "bodxX" else self._bad(value, verb)
        raise FunctionError(f"%{verb} of a {type_name(value)} can't be shown")

    def _named(self, value: TypedInt | Struct, verb: str) -> str | None:
        """By the type's own String method, where the verb asks for text."""
        if self._complaining or verb not in "vsxXq":
            return None
        if self._flags.sharp_v:
            return self._pad(value.go_syntax()[: self._flags.precision]) if isinstance(value, Struct) else None
        text = value.go_string()
        return None if text is None else self._text(text, verb)

    def _bad(self, value: object, verb: str) -> str:
        if value is None:
            return f"%!{verb}(<nil>)"
        before, self._complaining = self._complaining, True
        shown = self._value(value, "v", 0)
        self._complaining = before
        return f"%!{verb}({type_name(value)}={shown})"

    # Collections.

    def _list(self, items: list[object] | tuple[object, ...], verb: str, depth: int) -> str:
        shown = [self._value(item, verb, depth + 1) for item in items]
        if self._flags.sharp_v:
            return f"{type_name(items)}{{{', '.join(shown)}}}"
        return f"[{' '.join(shown)}]"

    def _map(self, mapping: Mapping[object, object], verb: str, depth: int) -> str:
        shown = [
            f"{self._value(key, verb, depth + 1)}:{self._value(item, verb, depth + 1)}"
            for key, item in sorted_items(mapping)
        ]
        if self._flags.sharp_v:
            return f"{type_name(mapping)}{{{', '.join(shown)}}}"
        return f"map[{' '.join(shown)}]"

    # Text.

    def _pad(self, text: str, *, zeros: bool = True) -> str:
        flags = self._flags
        if not flags.width or len(text) >= flags.width:
            return text
        if flags.minus:
            return text.ljust(flags.width)
        return text.rjust(flags.width, "0" if flags.zero and zeros else " ")

    def _text(self, text: str, verb: str) -> str:
        flags = self._flags
        if verb == "q" or (verb == "v" and flags.sharp_v):
            cut = text[: flags.precision]
            if flags.sharp and _can_backquote(cut):
                return self._pad(f"`{cut}`")
            return self._pad(quote(cut, ascii_only=flags.plus))
        if verb in "vs":
            return self._pad(text[: flags.precision])
        if verb in "xX":
            return self._hex(text, verb)
        return self._bad(text, verb)

    def _hex(self, text: str, verb: str) -> str:
        flags = self._flags
        data = encode(text)[: flags.precision]
        prefix = f"0{verb}" if flags.sharp else ""
        if not data:
            shown = ""
        elif flags.space:
            shown = " ".join(prefix + f"{byte:02x}" for byte in data)
        else:
            shown = prefix + data.hex()
        return self._pad(shown.upper() if verb == "X" else shown)

    # Numbers.

    def _integer(self, value: int, verb: str) -> str:
        flags = self._flags
        if verb == "v" and flags.sharp_v and is_unsigned(value):
            return self._digits(value, "x", sharp=True)
        if verb in "vd":
            return self._digits(value, "d", sharp=flags.sharp)
        if verb in "boOxX":
            return self._digits(value, verb, sharp=flags.sharp)
        if verb in "cq":
            code = value if 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000 else 0xFFFD
            return self._pad(chr(code) if verb == "c" else quote(chr(code), mark="'", ascii_only=flags.plus))
        if verb == "U":
            return self._unicode(value)
        return self._bad(value, verb)

    def _digits(self, value: int, verb: str, *, sharp: bool) -> str:
        flags = self._flags
        signed = value < 0 or flags.plus or flags.space
        least = 0
        if flags.precision is not None:
            least = flags.precision
            if least == 0 and value == 0:
                return " " * (flags.width or 0)
        elif flags.zero and not flags.minus and flags.width is not None:
            least = flags.width - signed
        base = "o" if verb == "O" else verb
        text = format(abs(value), base).rjust(least, "0")
        if sharp:
            if base in "bxX":
                text = f"0{base}{text}"
            elif base == "o" and text[0] != "0":
                text = "0" + text
        if verb == "O":
            text = "0o" + text
        sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
        return self._pad(sign + text, zeros=False)

    def _unicode(self, value: int) -> str:
        flags = self._flags
        code = value % 2**64
        text = f"U+{code:0{max(flags.precision or 0, 4)}X}"
        if flags.sharp and code <= 0x10FFFF and chr(code).isprintable():
            text += f" '{chr(code)}'"
        return self._pad(text, zeros=False)

    def _float(self, value: float, verb: str) -> str:
        defaults = {"v": ("g", -1), "F": ("f", 6), "f": ("f", 6), "e": ("e", 6), "E": ("E", 6)}
        if verb not in "vbgGxXfFeE":
            return self._bad(value, verb)
        return self._decimal(value, *defaults.get(verb, (verb, -1)))

    def _decimal(self, value: float, verb: str, precision: int) -> str:
        flags = self._flags
        if flags.precision is not None:
            precision = flags.precision
        text = format_float(value, verb, precision)
        if text[0] not in "+-":
            text = "+" + text
        if flags.space and text[0] == "+" and not flags.plus:
            text = " " + text[1:]
        if text[1] in "IN":
            plain = text[1] == "N" and not flags.space and not flags.plus
            return self._pad(text[1:] if plain else text, zeros=False)
        if flags.sharp and verb != "b":
            text = _with_point(text, verb, precision)
        if flags.plus or text[0] != "+":
            if flags.zero and not flags.minus and flags.width is not None and flags.width > len(text):
                return text[0] + text[1:].rjust(flags.width - 1, "0")
            return self._pad(text)
        return self._pad(text[1:])

    def _complex(self, value: complex, verb: str) -> str:
        if verb not in "vbgGxXfFeE":
            return self._bad(value, verb)
        plus = self._flags.plus
        real = self._float(value.real, verb)
        self._flags.plus = True
        imaginary = self._float(value.imag, verb)
        self._flags.plus = plus
        return f"({real}{imaginary}i)"


def _can_backquote(text: str) -> bool:
    return not any(
        c == "`" or c == "\x7f" or (c < " " and c != "\t") or c == "\ufeff" or "\udc80" <= c <= "\udcff" for c in text
    )


def _with_point(text: str, verb: str, precision: int) -> str:
    """``#``: a decimal point always, and the zeros that ``%g`` leaves out."""
    digits = (6 if precision == -1 else precision) if verb in "vgGx" else 0
    number, tail = text, ""
    for mark in "pP" if verb in "xX" else "eEpP":
        head, found, rest = number.partition(mark)
        if found:
            number, tail = head, found + rest
            break
    counted = number[1:].replace(".", "").lstrip("0")
    if verb in "xX":
        counted = number[1:].replace(".", "")
        counted = counted[next((i for i, c in enumerate(counted) if c != "0"), len(counted)) :]
    digits -= len(counted)
    if "." not in number:
        if number[1:] == "0":
            digits -= 1
        number += "."
    return number + "0" * max(digits, 0) + tail
