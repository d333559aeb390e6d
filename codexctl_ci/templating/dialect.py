"""Which of the two template languages a text is written in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from codexctl_ci.templating.errors import TemplateError


class Dialect(StrEnum):
    """The template languages of a project."""

    GO = "go"
    JINJA = "jinja"


def detect(text: str, file: str) -> Dialect | None:
    """The dialect of ``text``, or None where it holds no template, or none that tells.

    Raises ``TemplateError`` that shows one line of each where both are used.
    """
    first: dict[Dialect, int] = {}
    for dialect, offset in _evidence(text):
        first.setdefault(dialect, offset)
    if len(first) < 2:
        return next(iter(first), None)
    lines = text.split("\n")
    go, jinja = (text.count("\n", 0, first[dialect]) + 1 for dialect in (Dialect.GO, Dialect.JINJA))
    raise TemplateError(
        f"Go and Jinja templates in one file: line {go} is Go ({lines[go - 1].strip()}), "
        f"line {jinja} is Jinja ({lines[jinja - 1].strip()})",
        file=file,
        line=max(go, jinja),
        hint="write both in one dialect, or set templates.dialect in services.yaml",
    )


_STRING = r"""\\"(?:[^"\\\n]|\\[^"\n])*\\"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
# Atomic, since a quote can be read in two ways and an action that never ends would try them all.
_ACTION = re.compile(rf"\{{\{{((?>(?:{_STRING}|`[^`]*`|(?!}}}}).)*))}}}}", re.DOTALL)
_PLAIN_ACTION = re.compile(r"\{\{(.*?)}}", re.DOTALL)
_GO_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?}}", re.DOTALL)
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%}.*?(?:\{%[-+]?\s*endraw\s*[-+]?%}|\Z)", re.DOTALL)
_JINJA_COMMENT = re.compile(r"\{#.*?#}", re.DOTALL)
_STATEMENT = re.compile(
    r"\{%[-+]?\s*(?:if|elif|else|endif|for|endfor|set|endset|block|endblock|extends|include|import|from|macro|"
    r"endmacro|call|endcall|filter|endfilter|with|endwith|do|autoescape|endautoescape)\b.*?%}",
    re.DOTALL,
)
_OPENING = re.compile(r"\{[{%#]")


def _evidence(text: str) -> Iterator[tuple[Dialect, int]]:
    """What speaks for a dialect, with its offset, in order of appearance."""
    position = 0
    while opening := _OPENING.search(text, position):
        start = opening.start()
        kind = opening.group()
        position = start + 2
        if kind == "{#":
            # "${#name}" is shell: the length of a variable.
            shell = start > 0 and text[start - 1] == "$"
            comment = None if shell else _JINJA_COMMENT.match(text, start)
            position = comment.end() if comment else position
        elif kind == "{%":
            statement = _RAW.match(text, start) or _STATEMENT.match(text, start)
            if statement:
                position = statement.end()
                yield Dialect.JINJA, start
        elif comment := _GO_COMMENT.match(text, start):
            position = comment.end()
            yield Dialect.GO, start
        elif action := _ACTION.match(text, start) or _PLAIN_ACTION.match(text, start):
            position = action.end()
            dialect = _classify(action.group(1))
            if dialect:
                yield dialect, start


class _Token(NamedTuple):
    kind: str
    text: str
    spaced: bool
    """Whether white space stands before it."""


_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<raw>`[^`]*`)|(?P<string>{_STRING})|(?P<number>[-+]?\d[\w.]*)"
    r"|(?P<variable>\$\w*)|(?P<name>[^\W\d]\w*)|(?P<declare>:=)|(?P<mark>.)",
    re.DOTALL,
)

_GO_ALONE = frozenset({"else", "end", "break", "continue", "now"})
_GO_LEADING = frozenset({"if", "range", "with", "define", "template", "block", "and", "or", "else"})
# fmt: off
_GO_CALLS = frozenset((
    "call", "html", "index", "slice", "js", "len", "print", "printf", "println", "urlquery", "eq", "ge",
    "gt", "le", "lt", "ne", "not", "default", "toLower", "slug", "truncSHA", "envOr", "ternary", "join",
    "indent", "trimPrefix", "include", "quote",
))
# fmt: on
_WORD_OPERATORS = frozenset({"and", "or", "not", "in", "is", "if", "else"})
_OPERANDS = frozenset({"string", "number", "name"})
_NEUTRAL_NAMES = frozenset({"true", "false", "nil", "none", "None", "True", "False", "not"})


def _tokens(inner: str) -> list[_Token]:
    tokens = []
    spaced = False
    for match in _TOKEN.finditer(inner):
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(_Token(kind, match.group(), spaced))
        spaced = kind == "space"
    return tokens


def _classify(inner: str) -> Dialect | None:
    """The dialect of one ``{{ … }}``, None where both would read it, or neither."""
    inner = re.sub(r"^[-+](?!\d)|[-+]$", "", inner)
    tokens = _tokens(inner)
    if not tokens:
        return None
    if _only_go_reads(tokens):
        return Dialect.GO
    if _only_jinja_reads(tokens):
        return Dialect.JINJA
    return None


def _only_go_reads(tokens: list[_Token]) -> bool:
    head = tokens[0]
    if len(tokens) == 1 and head.text in _GO_ALONE:
        return True
    if head.kind == "name" and head.text == "now" and len(tokens) > 2 and tokens[1].text == ".":
        return tokens[2].text[:1].isupper()
    if head.text in _GO_LEADING and len(tokens) > 1 and (tokens[1].spaced or head.text in ("if", "with")):
        return True
    before: _Token | None = None
    for position, token in enumerate(tokens):
        if token.kind in ("raw", "variable", "declare"):
            return True
        after = tokens[position + 1] if position + 1 < len(tokens) else None
        if token.text == "." and _opens_field(before, token, after):
            return True
        # "x is divisibleby 3" is the one place where Jinja has an argument without parentheses.
        test = position > 1 and tokens[position - 2].text in ("is", "not")
        if before and token.spaced and not test and _is_call(before, token):
            return True
        before = token
    return False


def _opens_field(before: _Token | None, dot: _Token, after: _Token | None) -> bool:
    """Whether ``dot`` starts an operand (``.Env``, ``.``) and doesn't follow one (``name.attribute``)."""
    free = before is None or dot.spaced or before.text in "(|,="
    return free and (after is None or after.kind == "name" or after.spaced or after.text in "|)")


def _is_call(before: _Token, token: _Token) -> bool:
    """Whether two neighbours are a function and its argument without parentheses around them."""
    if before.kind not in _OPERANDS or before.text in _WORD_OPERATORS or token.text in _WORD_OPERATORS:
        return False
    if token.text == "(":
        return before.text in _GO_CALLS
    return token.kind in _OPERANDS and before.kind == "name"


def _only_jinja_reads(tokens: list[_Token]) -> bool:
    if tokens[0].text in ("[", "{"):
        return True
    before: _Token | None = None
    for token in tokens:
        if before and before.kind == "name" and token.text in "([" and not token.spaced:
            return True
        if token.kind == "mark" and token.text in "~+*/%<>[{":
            return True
        before = token
    head = tokens[0]
    return head.kind == "name" and head.text not in _NEUTRAL_NAMES
