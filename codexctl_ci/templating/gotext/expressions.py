"""Compiles pipelines, commands and their arguments to closures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from codexctl_ci.templating.errors import FunctionError, nearest
from codexctl_ci.templating.gotext import nodes
from codexctl_ci.templating.gotext.funcmap import INCLUDE, SHORT_CIRCUITS, Function
from codexctl_ci.templating.gotext.moments import Duration, Time, find_method
from codexctl_ci.templating.gotext.state import Place, Problem, State, Value
from codexctl_ci.templating.gotext.values import MAX_INT, type_name

Stage = Callable[[State, object, object], object]
"""A command: state, dot and what came through the pipe."""


class _Absent:
    """Stands where nothing came through a pipe."""


_ABSENT = _Absent()
_FAULTS = (FunctionError, OverflowError, ValueError, MemoryError)


class Expressions:
    """The expressions of one file."""

    def __init__(self, file: str, functions: Mapping[str, Function]) -> None:
        self._file = file
        self._functions = functions

    def pipeline(self, pipe: nodes.Pipe, *, asks: bool = False) -> Value:
        """The value of ``pipe``, declaring its variables. With ``asks`` a missing key is nil, else an error."""
        commands = pipe.commands
        stages = [
            self._command(
                command,
                piped=position > 0,
                asks=asks if position + 1 == len(commands) else self._is_asking(commands[position + 1]),
            )
            for position, command in enumerate(commands)
        ]
        if len(stages) == 1 and not pipe.declared:
            stage = stages[0]
            return lambda state, dot: stage(state, dot, _ABSENT)
        declared, assigns, place = pipe.declared, pipe.assigns, (self._file, pipe.offset)

        def run(state: State, dot: object) -> object:
            value: object = _ABSENT
            for stage in stages:
                value = stage(state, dot, value)
            for name in declared:
                if assigns:
                    state.lookup(name, place)[1] = value
                else:
                    state.variables.append([name, value])
            return value

        return run

    def _is_asking(self, command: nodes.Command) -> bool:
        first = command.args[0]
        return isinstance(first, nodes.Identifier) and self._functions[first.name].asks

    # Commands.

    def _command(self, command: nodes.Command, *, piped: bool, asks: bool) -> Stage:
        first, args = command.args[0], command.args[1:]
        if isinstance(first, nodes.Identifier):
            return self._call(first, args, piped=piped)
        if isinstance(first, nodes.Field | nodes.Chain) or (isinstance(first, nodes.Variable) and first.names[1:]):
            if args or piped:
                return self._method(first, args, piped=piped)
        elif args or piped:
            return self._raise("can't give argument to a value that is no function", first)
        if isinstance(first, nodes.Nil):
            return self._raise("nil is not a command", first)
        value = self._operand(first, asks=asks)
        return lambda state, dot, final: value(state, dot)

    def _operand(self, node: nodes.Node, *, asks: bool = False) -> Value:
        """The value of anything that stands as a word of its own."""
        if isinstance(node, nodes.Field):
            get = self._getter(node.names, node, asks=asks)
            return lambda state, dot: get(dot)
        if isinstance(node, nodes.Dot):
            return lambda state, dot: dot
        if isinstance(node, nodes.Variable):
            return self._variable(node, asks=asks)
        if isinstance(node, nodes.Pipe):
            return self.pipeline(node, asks=asks)
        if isinstance(node, nodes.Identifier):
            stage = self._call(node, [], piped=False)
            return lambda state, dot: stage(state, dot, _ABSENT)
        if isinstance(node, nodes.Chain):
            receiver = self._operand(node.node, asks=asks)
            get = self._getter(node.names, node, asks=asks)
            return lambda state, dot: get(receiver(state, dot))
        if isinstance(node, nodes.String):
            return _constant(node.text)
        if isinstance(node, nodes.Bool):
            return _constant(node.value)
        if isinstance(node, nodes.Number):
            return self._number(node)
        return _constant(None)

    def _variable(self, node: nodes.Variable, *, asks: bool) -> Value:
        name, *names = node.names
        place = self._place(node)

        def read(state: State, dot: object) -> object:
            for variable in reversed(state.variables):
                if variable[0] == name:
                    return variable[1]
            raise Problem(f"undefined variable: {name}", place)

        if not names:
            return read
        get = self._getter(names, node, asks=asks)
        return lambda state, dot: get(read(state, dot))

    def _number(self, node: nodes.Number) -> Value:
        """An untyped constant: its spelling says whether it is a whole number."""
        if node.as_complex is not None:
            return _constant(node.as_complex)
        text = node.text
        hexadecimal = text[:2] in ("0x", "0X") and not any(c in text for c in "pP")
        if node.as_float is not None and not hexadecimal and text[0] != "'" and any(c in text for c in ".eEpP"):
            return _constant(node.as_float)
        if node.as_int is not None:
            return _constant(node.as_int)
        stage = self._raise(f"{text} overflows int", node)
        return lambda state, dot: stage(state, dot, _ABSENT)

    # Fields and methods.

    def _getter(self, names: Sequence[str], node: nodes.Node, *, asks: bool) -> Callable[[object], object]:
        place = self._place(node)
        first = names[0]

        def get_one(receiver: object) -> object:
            try:
                return receiver[first]  # type: ignore[index]
            except KeyError:
                if asks:
                    return None
                raise _missing(first, receiver, place) from None
            except TypeError:
                if receiver is None and asks:
                    return None
                return self._no_entry(receiver, first, place)

        if len(names) == 1:
            return get_one

        def get_all(receiver: object) -> object:
            for depth, name in enumerate(names):
                try:
                    receiver = receiver[name]  # type: ignore[index]
                except KeyError:
                    if asks:
                        return None
                    raise _missing(name, receiver, place) from None
                except TypeError:
                    if receiver is None and asks and depth == 0:
                        return None
                    receiver = self._no_entry(receiver, name, place)
            return receiver

        return get_all

    @staticmethod
    def _no_entry(receiver: object, name: str, place: Place) -> object:
        """A method without arguments, else the reason why there is no ``name``."""
        method = find_method(receiver, name)
        if method is None:
            reason = "nil pointer evaluating" if receiver is None else f"{type_name(receiver)} has no field"
            raise Problem(f"{reason} {name}", place)
        params, call = method
        if params:
            raise Problem(f"wrong number of args for {name}: want {len(params)} got 0", place)
        return call(receiver)

    def _method(self, first: nodes.Node, args: list[nodes.Node], *, piped: bool) -> Stage:
        """A field followed by arguments: only a method of a time will do."""
        names = first.names if isinstance(first, nodes.Field | nodes.Chain | nodes.Variable) else []
        name = names[-1]
        place = self._place(first)
        receiver = self._receiver(first, names[:-1])

        def run(state: State, dot: object, final: object) -> object:
            value = receiver(state, dot)
            method = find_method(value, name)
            if method is None:
                raise Problem(f"{name} is not a method but has arguments", place)
            params, call = method
            if len(args) + piped != len(params):
                raise Problem(f"wrong number of args for {name}: want {len(params)} got {len(args) + piped}", place)
            values = [
                self._argument(arg, kind)(state, dot) for arg, kind in zip(args, params[: len(args)], strict=True)
            ]
            if piped:
                values.append(_checked(final, params[-1], place))
            try:
                return call(value, *values)
            except _FAULTS as error:
                raise Problem(f"error calling {name}: {error}", place) from None

        return run

    def _receiver(self, first: nodes.Node, names: list[str]) -> Value:
        if isinstance(first, nodes.Field):
            base: Value = lambda state, dot: dot  # noqa: E731
        elif isinstance(first, nodes.Chain):
            base = self._operand(first.node)
        elif isinstance(first, nodes.Variable):
            return self._operand(nodes.Variable(first.offset, [first.names[0], *names[1:]]))
        if not names:
            return base
        get = self._getter(names, first, asks=False)
        return lambda state, dot: get(base(state, dot))

    # Functions.

    def _call(self, first: nodes.Identifier, args: list[nodes.Node], *, piped: bool) -> Stage:
        name, function, place = first.name, self._functions[first.name], self._place(first)
        given, fixed = len(args) + piped, len(function.params)
        if given < fixed or (given > fixed and not function.rest):
            least = "at least " if function.rest else ""
            return self._raise(f"wrong number of args for {name}: want {least}{fixed} got {given}", first)
        kinds = [*function.params, *[function.rest] * (given - fixed)]
        values = [
            self._argument(arg, kind, asks=function.asks) for arg, kind in zip(args, kinds[: len(args)], strict=True)
        ]
        if name in SHORT_CIRCUITS:
            return _short_circuit(name, values)
        call = function.piped if piped and function.piped else function.call
        last = kinds[-1] if piped else ""
        with_state = name == INCLUDE

        def run(state: State, dot: object, final: object) -> object:
            arguments = [value(state, dot) for value in values]
            if piped:
                arguments.append(_checked(final, last, place))
            try:
                return call(state, place, *arguments) if with_state else call(*arguments)
            except _FAULTS as error:
                raise Problem(f"error calling {name}: {error}", place) from None

        return run

    def _argument(self, node: nodes.Node, kind: str, *, asks: bool = False) -> Value:
        """``node`` as an argument of type ``kind``; a literal takes that type if it can."""
        place = self._place(node)
        if isinstance(node, nodes.Number) and kind in ("int", "time.Duration") and node.as_int is not None:
            return _constant(node.as_int if kind == "int" else Duration(node.as_int))
        value = self._operand(node, asks=asks)
        if kind == "any":
            return value
        if isinstance(node, nodes.Nil):
            stage = self._raise(f"cannot assign nil to {kind}", node)
            return lambda state, dot: stage(state, dot, _ABSENT)
        return lambda state, dot: _checked(value(state, dot), kind, place)

    # Places and problems.

    def _place(self, node: nodes.Node) -> Place:
        return self._file, node.offset

    def _raise(self, reason: str, node: nodes.Node) -> Stage:
        """Fails when it is reached, not before: a branch not taken may hold nonsense."""
        place = self._place(node)

        def fail(state: State, dot: object, final: object) -> NoReturn:
            raise Problem(reason, place)

        return fail


def _missing(name: str, receiver: object, place: Place) -> Problem:
    known = receiver if isinstance(receiver, Mapping) else ()
    return Problem(f"map has no entry for key {name!r}{nearest(name, known)}", place)


def _constant(value: object) -> Value:
    return lambda state, dot: value


def _short_circuit(name: str, values: list[Value]) -> Stage:
    decisive = name == "or"

    def run(state: State, dot: object, final: object) -> object:
        result: object = None
        for value in values:
            result = value(state, dot)
            if bool(result) is decisive:
                return result
        return result if final is _ABSENT else final

    return run


def _checked(value: object, kind: str, place: Place) -> object:
    """``value`` if it has the Go type ``kind``; nothing is converted."""
    if (
        kind == "any"
        or (kind == "string" and isinstance(value, str))
        or (kind == "int" and type(value) is int and value <= MAX_INT)
        or (kind == "bool" and isinstance(value, bool))
        or (kind == "time.Duration" and isinstance(value, Duration))
        or (kind == "time.Time" and isinstance(value, Time))
    ):
        return value
    raise Problem(f"wrong type for value; expected {kind}; got {type_name(value)}", place)
