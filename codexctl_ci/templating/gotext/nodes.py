"""The parsed form of a Go template. ``offset`` is the place in the source that errors name."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    """Anything with a place."""

    offset: int


@dataclass(slots=True)
class Text(Node):
    """What is copied as it stands."""

    text: str


@dataclass(slots=True)
class Dot(Node):
    """``.``"""


@dataclass(slots=True)
class Nil(Node):
    """``nil``"""


@dataclass(slots=True)
class Bool(Node):
    """``true`` or ``false``"""

    value: bool


@dataclass(slots=True)
class String(Node):
    """A string literal."""

    text: str


@dataclass(slots=True)
class Number(Node):
    """A number literal, under every type it can be read as."""

    text: str
    as_int: int | None = None
    as_uint: int | None = None
    as_float: float | None = None
    as_complex: complex | None = None


@dataclass(slots=True)
class Field(Node):
    """``.A.B``"""

    names: list[str]


@dataclass(slots=True)
class Variable(Node):
    """``$x.A.B``; the first name has its ``$``."""

    names: list[str]


@dataclass(slots=True)
class Chain(Node):
    """``(…).A.B``"""

    node: Node
    names: list[str]


@dataclass(slots=True)
class Identifier(Node):
    """A function's name."""

    name: str


@dataclass(slots=True)
class Command(Node):
    """One stage of a pipeline: an operand, or a function or method and its arguments."""

    args: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Pipe(Node):
    """``$x := a | b``; with ``assigns`` the names exist already."""

    declared: list[str] = field(default_factory=list)
    assigns: bool = False
    commands: list[Command] = field(default_factory=list)


@dataclass(slots=True)
class Action(Node):
    """``{{ pipeline }}``"""

    pipe: Pipe


@dataclass(slots=True)
class Branch(Node):
    """``if``, ``with`` or ``range`` (``word``) with its bodies."""

    word: str
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node] | None


@dataclass(slots=True)
class Call(Node):
    """``{{ template "name" pipeline }}``"""

    name: str
    pipe: Pipe | None


@dataclass(slots=True)
class Jump(Node):
    """``break`` or ``continue``."""

    word: str


@dataclass(slots=True)
class Stop(Node):
    """``end`` or ``else``; only the parser sees it."""

    word: str
