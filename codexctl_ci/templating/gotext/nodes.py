"""The parsed form of a Go template. ``offset`` is the place in the source that errors name.

Plain classes: this is on the way of every command, and seventeen dataclasses take longer to make than most
templates to render.
"""

from __future__ import annotations


class Node:
    """Anything with a place."""

    __slots__ = ("offset",)

    def __init__(self, offset: int) -> None:
        self.offset = offset


class Dot(Node):
    """``.``"""

    __slots__ = ()


class Nil(Node):
    """``nil``"""

    __slots__ = ()


class Text(Node):
    """What is copied as it stands."""

    __slots__ = ("text",)

    def __init__(self, offset: int, text: str) -> None:
        self.offset = offset
        self.text = text


class String(Node):
    """A string literal."""

    __slots__ = ("text",)

    def __init__(self, offset: int, text: str) -> None:
        self.offset = offset
        self.text = text


class Bool(Node):
    """``true`` or ``false``"""

    __slots__ = ("value",)

    def __init__(self, offset: int, value: bool) -> None:
        self.offset = offset
        self.value = value


class Number(Node):
    """A number literal, under every type it can be read as."""

    __slots__ = ("as_complex", "as_float", "as_int", "as_uint", "text")

    def __init__(self, offset: int, text: str) -> None:
        self.offset = offset
        self.text = text
        self.as_int: int | None = None
        self.as_uint: int | None = None
        self.as_float: float | None = None
        self.as_complex: complex | None = None


class Field(Node):
    """``.A.B``"""

    __slots__ = ("names",)

    def __init__(self, offset: int, names: list[str]) -> None:
        self.offset = offset
        self.names = names


class Variable(Node):
    """``$x.A.B``; the first name has its ``$``."""

    __slots__ = ("names",)

    def __init__(self, offset: int, names: list[str]) -> None:
        self.offset = offset
        self.names = names


class Chain(Node):
    """``(…).A.B``"""

    __slots__ = ("names", "node")

    def __init__(self, offset: int, node: Node, names: list[str]) -> None:
        self.offset = offset
        self.node = node
        self.names = names


class Identifier(Node):
    """A function's name."""

    __slots__ = ("name",)

    def __init__(self, offset: int, name: str) -> None:
        self.offset = offset
        self.name = name


class Command(Node):
    """One stage of a pipeline: an operand, or a function or method and its arguments."""

    __slots__ = ("args",)

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.args: list[Node] = []


class Pipe(Node):
    """``$x := a | b``; with ``assigns`` the names exist already."""

    __slots__ = ("assigns", "commands", "declared")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.declared: list[str] = []
        self.assigns = False
        self.commands: list[Command] = []


class Action(Node):
    """``{{ pipeline }}``"""

    __slots__ = ("pipe",)

    def __init__(self, offset: int, pipe: Pipe) -> None:
        self.offset = offset
        self.pipe = pipe


class Branch(Node):
    """``if``, ``with`` or ``range`` (``word``) with its bodies."""

    __slots__ = ("body", "otherwise", "pipe", "word")

    def __init__(self, word: str, pipe: Pipe, body: list[Node], otherwise: list[Node]) -> None:
        self.offset = pipe.offset
        self.word = word
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise


class Call(Node):
    """``{{ template "name" pipeline }}``"""

    __slots__ = ("name", "pipe")

    def __init__(self, offset: int, name: str, pipe: Pipe | None) -> None:
        self.offset = offset
        self.name = name
        self.pipe = pipe


class Word(Node):
    """``break``, ``continue``; to the parser alone also ``end`` and ``else``."""

    __slots__ = ("word",)

    def __init__(self, offset: int, word: str) -> None:
        self.offset = offset
        self.word = word


class Jump(Word):
    """``break`` or ``continue``."""

    __slots__ = ()


class Stop(Word):
    """``end`` or ``else``."""

    __slots__ = ()
