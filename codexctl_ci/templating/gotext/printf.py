"""Go's Sprintf: reads the format and gives each value to its verb."""

from __future__ import annotations

from collections.abc import Sequence

from codexctl_ci.templating.gotext.formatting import Flags, display, format_value
from codexctl_ci.templating.gotext.values import MAX_INT, TypedInt, bounded, type_name

_LARGE = 1_000_000
_FLAGS = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def sprintf(template: str, values: Sequence[object]) -> str:
    """``values`` put into ``template``; what doesn't fit is said in the text, as Go does."""
    return bounded(_Format(template, values).run())


class _Format:
    def __init__(self, template: str, values: Sequence[object]) -> None:
        self._template = template
        self._values = values
        self._position = 0
        self._argument = 0
        self._reordered = False
        self._good_index = True
        self._out: list[str] = []

    def run(self) -> str:
        template, out = self._template, self._out
        while True:
            percent = template.find("%", self._position)
            if percent < 0:
                out.append(template[self._position :])
                break
            out.append(template[self._position : percent])
            self._position = percent + 1
            if not self._simple():
                self._verb()
        if not self._reordered and self._argument < len(self._values):
            extra = (self._extra(value) for value in self._values[self._argument :])
            out.append(f"%!(EXTRA {', '.join(extra)})")
        return "".join(out)

    @staticmethod
    def _extra(value: object) -> str:
        return "<nil>" if value is None else f"{type_name(value)}={display(value)}"

    def _simple(self) -> bool:
        """The verbs that make up nearly all formats, without flags."""
        verb = self._template[self._position : self._position + 1]
        if self._argument >= len(self._values) or verb not in ("s", "d", "v"):
            return False
        value = self._values[self._argument]
        if isinstance(value, str) and verb != "d":
            self._out.append(value)
        elif type(value) is int and verb != "s":
            self._out.append(str(value))
        else:
            return False
        self._argument += 1
        self._position += 1
        return True

    def _verb(self) -> None:
        template, values = self._template, self._values
        flags = Flags()
        self._good_index = True
        while (c := template[self._position : self._position + 1]) and c in _FLAGS:
            setattr(flags, _FLAGS[c], True)
            self._position += 1
        if "a" <= c <= "z" and self._argument < len(values):
            self._show(c, flags)
            return
        indexed = self._size(flags)
        if not indexed:
            self._index()
        verb = template[self._position : self._position + 1]
        if not verb:
            self._out.append("%!(NOVERB)")
        elif verb == "%":
            self._position += 1
            self._out.append("%")
        elif not self._good_index:
            self._position += 1
            self._out.append(f"%!{verb}(BADINDEX)")
        elif self._argument >= len(values):
            self._position += 1
            self._out.append(f"%!{verb}(BADINDEX)" if not self._good_index else f"%!{verb}(MISSING)")
        else:
            self._show(verb, flags)

    def _show(self, verb: str, flags: Flags) -> None:
        if verb in "vw":
            flags.sharp_v, flags.sharp = flags.sharp, False
            flags.plus_v, flags.plus = flags.plus, False
        value = self._values[self._argument]
        if verb == "w":
            shown = "<nil>" if value is None else f"{type_name(value)}={format_value(value, 'v', flags)}"
            self._out.append(f"%!w({shown})")
        else:
            self._out.append(format_value(value, verb, flags))
        self._argument += 1
        self._position += 1

    def _size(self, flags: Flags) -> bool:
        """Reads width and precision; True where an index stood last and still counts for the verb."""
        template = self._template
        indexed = self._index()
        if template.startswith("*", self._position):
            self._position += 1
            flags.width = self._star()
            if flags.width is None:
                self._out.append("%!(BADWIDTH)")
            elif flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
            indexed = False
        else:
            flags.width = self._number()
            if indexed and flags.width is not None:
                self._good_index = False
        if template.startswith(".", self._position) and self._position + 1 < len(template):
            self._position += 1
            if indexed:
                self._good_index = False
            indexed = self._index()
            if template.startswith("*", self._position):
                self._position += 1
                precision = self._star()
                flags.precision = None if precision is None or precision < 0 else precision
                if flags.precision is None:
                    self._out.append("%!(BADPREC)")
                indexed = False
            else:
                flags.precision = self._number() or 0
        return indexed

    def _number(self) -> int | None:
        start = self._position
        number = 0
        while (c := self._template[self._position : self._position + 1]) and c in "0123456789":
            if number > _LARGE:
                self._position = len(self._template)
                return None
            number = number * 10 + int(c)
            self._position += 1
        return number if self._position > start else None

    def _star(self) -> int | None:
        if self._argument >= len(self._values):
            return None
        value = self._values[self._argument]
        self._argument += 1
        whole = isinstance(value, int) and not isinstance(value, bool) and value <= MAX_INT
        if not whole or not isinstance(value, int | TypedInt) or abs(value) > _LARGE:
            return None
        return int(value)

    def _index(self) -> bool:
        """Reads ``[n]``, the number of the value to take; False where none stands here."""
        if not self._template.startswith("[", self._position):
            return False
        self._reordered = True
        start = self._position
        rest = len(self._template) - start
        close = self._template.find("]", start + 1)
        if rest < 3 or close < 0:
            self._position = start + 1
            self._good_index = False
            return False
        digits = self._template[start + 1 : close]
        self._position = close + 1
        if not digits.isascii() or not digits.isdigit() or int(digits) > 10 * _LARGE:
            self._good_index = False
            return False
        index = int(digits) - 1
        if 0 <= index < len(self._values):
            self._argument = index
            return True
        self._good_index = False
        return True
