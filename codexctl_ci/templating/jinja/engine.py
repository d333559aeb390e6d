"""Rendering in the Jinja dialect, with errors that name file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, NoReturn

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.runtime import Context

from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.errors import FunctionError, TemplateError, nearest
from codexctl_ci.templating.jinja.environment import NamespaceName, Now, make_environment

_RUNTIME = (
    JinjaError,
    FunctionError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class JinjaEngine:
    """The Jinja dialect for one project; see ``Engine``. Macros of partials are visible in every template."""

    def __init__(self, partials: Mapping[str, str], env: Mapping[str, str], now: datetime) -> None:
        self._partials = partials
        self._environment = make_environment(self._load, env, now)
        self._now = Now.of(now)
        self._environment.globals.update(self._macros())

    def render(self, text: str, context: TemplateContext, *, file: str) -> str:
        """See ``Engine``."""
        if not any(mark in text for mark in ("{{", "{%", "{#")):
            return text
        environment = self._environment
        names = context.jinja_names()
        names["namespace"] = NamespaceName(context.namespace)
        names["now"] = Now.of(context.now) if context.now else self._now
        try:
            code = environment.compile(text, file, file)
            template: Template = environment.template_class.from_code(environment, code, environment.make_globals(None))
            return template.render(names)
        except _RUNTIME as error:
            self._fail(error, text, file, names)

    def _load(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        known = [file for file in self._partials if name in (file, PurePosixPath(file).name)]
        if name in self._partials:
            known = [name]
        if len(known) > 1:
            raise FunctionError(f"{name!r} could be {' or '.join(known)}: write one of them in full")
        return (self._partials[known[0]], known[0], lambda: True) if known else None

    def _macros(self) -> Mapping[str, Callable[..., Any]]:
        found: dict[str, str] = {}
        for file, text in self._partials.items():
            for macro, line in self._defined(file, text):
                if macro in found:
                    raise TemplateError.at(
                        f"macro {macro!r} is defined in {found[macro]} and in {file}", file=file, text=text, line=line
                    )
                found[macro] = file
        return {macro: _exported(file, macro) for macro, file in found.items()}

    def _defined(self, file: str, text: str) -> Iterator[tuple[str, int]]:
        try:
            body = self._environment.parse(text, file, file).body
        except TemplateSyntaxError as error:
            self._fail(error, text, file)
        yield from ((node.name, node.lineno) for node in body if isinstance(node, nodes.Macro))

    def _fail(self, error: Exception, text: str, file: str, names: Iterable[str] = ()) -> NoReturn:
        """Raise what the author needs to know of ``error``: the innermost template and line it came from."""
        texts = {**self._partials, file: text}
        place = (file, 0)
        if isinstance(error, TemplateSyntaxError):
            place = (error.filename if error.filename in texts else file, error.lineno)
        else:
            place = _innermost(error.__traceback__, texts) or place
        hint = ""
        if isinstance(error, TemplateNotFound):
            problem = f"there is no partial {error.name!r}"
            hint = f"partials: {', '.join(self._partials) or 'none'}"
        else:
            problem = str(error) or type(error).__name__
            if unknown := re.fullmatch(r"'(\w+)' is undefined", problem):
                problem += nearest(unknown.group(1), names)
        source, line = place
        column = _column(texts[source].split("\n")[line - 1], problem) if line else 0
        raise TemplateError.at(problem, file=source, text=texts[source], line=line, column=column, hint=hint) from error


def _column(line: str, problem: str) -> int:
    """Where in its line the problem is: Jinja knows lines alone. The name that it is about, else the only action."""
    actions = list(re.finditer(r"\{[{%].*?(?:[}%]\}|$)", line))
    for name in re.findall(r"'([^']+)'", problem):
        for action in actions:
            if found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", action[0]):
                return action.start() + found.start() + 1
    return actions[0].start() + 1 if len(actions) == 1 else 0


def _innermost(trace: TracebackType | None, texts: Mapping[str, str]) -> tuple[str, int] | None:
    place = None
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if file in texts:
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _exported(file: str, macro: str) -> Callable[..., Any]:
    @pass_context
    def call(context: Context, *args: Any, **kwargs: Any) -> Any:
        module = context.environment.get_template(file).make_module(dict(context.get_all()))
        return getattr(module, macro)(*args, **kwargs)

    return call
