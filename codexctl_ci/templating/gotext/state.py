"""What one run of a template carries along, and how it ends early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_DEPTH = 100
"""How deep templates may call each other."""

MAX_STEPS = 1_000_000
"""How many turns of loops and calls of templates one render may take."""

MAX_RANGE = 100_000
"""How far ``range`` counts."""

MAX_OUTPUT = 64 * 1024 * 1024
"""How many characters one render may write in long pieces."""

LONG = 10_000
"""From where on a piece of output counts as long. Short ones are few enough by ``MAX_STEPS``."""

Place = tuple[str, int]
"""File and offset of the node at work."""

Runner = Callable[["State", object], None]
Value = Callable[["State", object], object]


class Problem(Exception):
    """The template can't go on; ``place`` is what it was at."""

    def __init__(self, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.place = place


class BreakLoop(Exception):
    """``{{break}}``"""


class ContinueLoop(Exception):
    """``{{continue}}``"""


class Budget:
    """The steps that are left and the room for long texts; shared by all states of one render."""

    __slots__ = ("left", "room")

    def __init__(self) -> None:
        self.left = MAX_STEPS
        self.room = MAX_OUTPUT

    def spend(self, place: Place) -> None:
        """One step. ``Problem`` where none is left."""
        self.left -= 1
        if self.left < 0:
            raise Problem(f"more than {MAX_STEPS} turns of loops and templates", place)

    def write(self, length: int, place: Place) -> None:
        """Room for a long text. ``Problem`` where none is left."""
        self.room -= length
        if self.room < 0:
            raise Problem(f"more than {MAX_OUTPUT} characters of output", place)


@dataclass(slots=True)
class State:
    """One template at work: its output, its variables (innermost last) and the templates it may call."""

    out: list[str]
    variables: list[list[object]]
    templates: Mapping[str, Runner]
    budget: Budget
    depth: int = 0

    def enter(self, name: str, dot: object, out: list[str], place: Place) -> None:
        """Run the template ``name`` with ``dot``, writing to ``out``; it sees no variable but ``$``."""
        runner = self.templates.get(name)
        if runner is None:
            raise Problem(f"template {name!r} not defined", place)
        if self.depth >= MAX_DEPTH:
            raise Problem(f"templates call each other more than {MAX_DEPTH} deep", place)
        self.budget.spend(place)
        runner(State(out, [["$", dot]], self.templates, self.budget, self.depth + 1), dot)

    def lookup(self, name: str, place: Place) -> list[object]:
        """The innermost variable of that name, as [name, value]."""
        for variable in reversed(self.variables):
            if variable[0] == name:
                return variable
        raise Problem(f"undefined variable: {name}", place)
