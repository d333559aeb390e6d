"""Rendering in the Go dialect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from codexctl_ci.templating.context import Record, TemplateContext
from codexctl_ci.templating.errors import TemplateError
from codexctl_ci.templating.gotext.bodies import compile_body
from codexctl_ci.templating.gotext.funcmap import make_functions
from codexctl_ci.templating.gotext.moments import Time
from codexctl_ci.templating.gotext.parse import Definition, SyntaxProblem, parse
from codexctl_ci.templating.gotext.state import Budget, Place, Problem, Runner, State


class GoEngine:
    """The Go dialect for one project; see ``Engine``. Templates that partials define are visible everywhere."""

    def __init__(self, partials: Mapping[str, str], env: Mapping[str, str], now: datetime) -> None:
        self._partials = partials
        self._now = Time(now)
        self._functions = make_functions(env, self._now, _include)
        self._owners: dict[str, str] = {}
        self._templates: dict[str, Runner] = {}
        for file, text in partials.items():
            self._add(self._parsed(file, text), file, text, self._owners, self._templates)
        last_parts = Counter(_last_part(file) for file in partials)
        for file in partials:
            short = _last_part(file)
            if last_parts[short] == 1 and short not in self._templates:
                self._templates[short] = self._templates[file]

    def render(self, text: str, context: TemplateContext, *, file: str) -> str:
        """See ``Engine``."""
        if "{{" not in text:
            return text
        names = context.go_names()
        names["Now"] = Time(context.now) if context.now else self._now
        names["IssueComments"] = [_with_times(comment) for comment in context.issue_comments]
        names["ReviewComments"] = [_with_times(comment) for comment in context.review_comments]
        return self.execute(text, names, file=file)

    def execute(self, text: str, dot: object, *, file: str) -> str:
        """``text`` rendered with any ``dot``. Raises ``TemplateError``."""
        owners, templates = dict(self._owners), dict(self._templates)
        definitions = self._parsed(file, text)
        main = definitions.pop(file)
        self._add(definitions, file, text, owners, templates)
        runner = compile_body(main.body, file, self._functions)
        templates.setdefault(file, runner)
        out: list[str] = []
        try:
            runner(State(out, [["$", dot]], templates, Budget()), dot)
            result = "".join(out)
            result.encode()
        except Problem as problem:
            raise self._error(str(problem), problem.place, file, text) from None
        except RecursionError:
            raise self._error("nested too deep", (file, 0), file, text) from None
        except UnicodeEncodeError:
            raise self._error("the result is no valid UTF-8", (file, 0), file, text) from None
        return result

    def _parsed(self, file: str, text: str) -> dict[str, Definition]:
        try:
            return parse(file, text, self._functions)
        except SyntaxProblem as problem:
            raise self._error(str(problem), (file, problem.offset), file, text) from None
        except RecursionError:
            raise self._error("nested too deep", (file, 0), file, text) from None

    def _add(
        self,
        definitions: Mapping[str, Definition],
        file: str,
        text: str,
        owners: dict[str, str],
        templates: dict[str, Runner],
    ) -> None:
        for name, definition in definitions.items():
            if name in owners and owners[name] != file:
                if definition.empty:
                    continue
                problem = f"template {name!r} is defined in {owners[name]} and in {file}"
                raise self._error(problem, (file, definition.offset), file, text)
            if not definition.empty:
                owners[name] = file
            templates[name] = compile_body(definition.body, file, self._functions)

    def _error(self, reason: str, place: Place, file: str, text: str) -> TemplateError:
        source, offset = place
        if source != file:
            text = self._partials.get(source, "")
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        return TemplateError.at(reason, file=source, text=text, line=line, column=column)


def _last_part(file: str) -> str:
    return file.rpartition("/")[2]


def _include(state: State, place: Place, name: str, dot: object) -> str:
    out: list[str] = []
    state.enter(name, dot, out, place)
    return "".join(out)


def _with_times(comment: Mapping[str, object]) -> Record:
    return Record({key: Time(value) if isinstance(value, datetime) else value for key, value in comment.items()})
