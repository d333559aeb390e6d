"""Compiles what stands between expressions: text, branches, loops, calls of templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from codexctl_ci.templating.gotext import nodes
from codexctl_ci.templating.gotext.expressions import Expressions
from codexctl_ci.templating.gotext.formatting import display
from codexctl_ci.templating.gotext.funcmap import Function
from codexctl_ci.templating.gotext.state import (
    LONG,
    MAX_RANGE,
    BreakLoop,
    ContinueLoop,
    Place,
    Problem,
    Runner,
    State,
)
from codexctl_ci.templating.gotext.values import TypedInt, sorted_items, type_name


def compile_body(body: Sequence[nodes.Node], file: str, functions: Mapping[str, Function]) -> Runner:
    """What runs ``body``, a template of ``file``."""
    return _Bodies(file, functions).body(body)


class _Bodies:
    def __init__(self, file: str, functions: Mapping[str, Function]) -> None:
        self._file = file
        self._expressions = Expressions(file, functions)

    def body(self, body: Sequence[nodes.Node]) -> Runner:
        runners = [self._node(node) for node in body]
        if len(runners) == 1:
            return runners[0]

        def run(state: State, dot: object) -> None:
            for runner in runners:
                runner(state, dot)

        return run

    def _node(self, node: nodes.Node) -> Runner:
        if isinstance(node, nodes.Text):
            text = node.text
            return lambda state, dot: state.out.append(text)
        if isinstance(node, nodes.Action):
            return self._action(node)
        if isinstance(node, nodes.Branch):
            return self._loop(node) if node.word == "range" else self._branch(node)
        if isinstance(node, nodes.Call):
            return self._template(node)
        if isinstance(node, nodes.Jump):
            return _break if node.word == "break" else _continue
        raise AssertionError(f"no such node in a body: {node}")

    def _action(self, node: nodes.Action) -> Runner:
        value = self._expressions.pipeline(node.pipe)
        place = (self._file, node.offset)
        if node.pipe.declared:
            return lambda state, dot: _void(value(state, dot))

        def run(state: State, dot: object) -> None:
            shown = value(state, dot)
            if not isinstance(shown, str):
                shown = "<no value>" if shown is None else display(shown)
            if len(shown) > LONG:
                state.budget.write(len(shown), place)
            state.out.append(shown)

        return run

    def _branch(self, node: nodes.Branch) -> Runner:
        value = self._expressions.pipeline(node.pipe, asks=True)
        body = self.body(node.body)
        otherwise = self.body(node.otherwise)
        with_dot = node.word == "with"

        def run(state: State, dot: object) -> None:
            mark = len(state.variables)
            asked = value(state, dot)
            if asked:
                body(state, asked if with_dot else dot)
            else:
                otherwise(state, dot)
            del state.variables[mark:]

        return run

    def _template(self, node: nodes.Call) -> Runner:
        value = self._expressions.pipeline(node.pipe) if node.pipe else lambda state, dot: None
        name, place = node.name, (self._file, node.offset)
        return lambda state, dot: state.enter(name, value(state, dot), state.out, place)

    def _loop(self, node: nodes.Branch) -> Runner:
        value = self._expressions.pipeline(node.pipe)
        body = self.body(node.body)
        otherwise = self.body(node.otherwise)
        place = (self._file, node.offset)
        names, assigns = node.pipe.declared, node.pipe.assigns

        def turn(state: State, key: object, item: object) -> None:
            if names:
                # With one variable it is the element, with two the key comes first.
                pairs = zip(names, (item,) if len(names) == 1 else (key, item), strict=True)
                for position, (name, given) in enumerate(pairs):
                    if assigns:
                        state.lookup(name, place)[1] = given
                    else:
                        state.variables[position - len(names)][1] = given
            mark = len(state.variables)
            try:
                body(state, item)
            except ContinueLoop:
                pass
            finally:
                del state.variables[mark:]

        def run(state: State, dot: object) -> None:
            mark = len(state.variables)
            items = _items(value(state, dot), len(names), place)
            turned = False
            try:
                for key, item in items:
                    turned = True
                    state.budget.spend(place)
                    turn(state, key, item)
                if not turned:
                    otherwise(state, dot)  # a break in there ends this loop too, not the one around it
            except BreakLoop:
                pass
            del state.variables[mark:]

        return run


def _items(value: object, names: int, place: Place) -> Iterable[tuple[object, object]]:
    """Keys and elements that ``range`` goes through."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if isinstance(value, Mapping):
        return sorted_items(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if names > 1:
            raise Problem(f"can't use {value} to iterate over more than one variable", place)
        if value > MAX_RANGE:
            raise Problem(f"range over {value} is more than {MAX_RANGE}", place)
        kind = type(value) if isinstance(value, TypedInt) else int
        return ((None, kind(number)) for number in range(value))
    raise Problem(f"range can't iterate over {type_name(value)}", place)


def _void(_: object) -> None:
    pass


def _break(state: State, dot: object) -> None:
    raise BreakLoop


def _continue(state: State, dot: object) -> None:
    raise ContinueLoop
