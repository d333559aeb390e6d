"""What a template's author is told: file, line, column, the line itself and the problem."""

from __future__ import annotations

from collections.abc import Iterable

from codexctl_ci.errors import ConfigError


class TemplateError(ConfigError):
    """A template can't be parsed or rendered.

    ``file`` is the name the caller gave (or a partial's), ``line`` and ``column`` count from 1, 0 where unknown,
    ``source_line`` is the line as written. ``problem`` is the bare reason, without the place.
    """

    def __init__(
        self, problem: str, *, file: str, line: int = 0, column: int = 0, source_line: str = "", hint: str = ""
    ) -> None:
        shown = f"{problem}\n  {line:>4} | {source_line}" if source_line.strip() else problem
        where = ":".join([file, *(str(n) for n in (line, column) if n)])
        super().__init__(shown, where=where, hint=hint)
        self.problem = problem
        self.file = file
        self.line = line
        self.column = column
        self.source_line = source_line

    @classmethod
    def at(cls, problem: str, *, file: str, text: str, line: int = 0, column: int = 0, hint: str = "") -> TemplateError:
        """The error for ``line`` of ``text``, quoting that line."""
        lines = text.split("\n")
        quoted = lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""
        return cls(problem, file=file, line=line, column=column, source_line=quoted, hint=hint)


def nearest(name: str, known: Iterable[object]) -> str:
    """A question with the known name that ``name`` may have been meant for, or ""."""
    from difflib import get_close_matches  # late: only a failure needs it

    found = get_close_matches(name, [key for key in known if isinstance(key, str)], 1)
    return f", did you mean {found[0]!r}?" if found else ""


class FunctionError(Exception):
    """A template function refuses its arguments; the engine adds the place."""
