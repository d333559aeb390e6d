"""Random templates: mostly sensible, some wrong by type, some with a slip of the pen. One seed, one sequence.

Nothing here loops for long: whole numbers that ``range`` could meet are small, and a template calls only templates
with a higher number than its own.
"""

from __future__ import annotations

import random


def _words_of(text: str) -> list[str]:
    return text.split()


_TEXT_PATHS = _words_of(
    "Env Namespace Project Empty Blank Name Uni Html Multi Sha Tag camelCase Nested.One.Two.Three "
    "EnvMap.HOST EnvMap.nope"
)
_NUMBER_PATHS = _words_of("Slot Zero Minus Slot Map.a with_underscore")
_OTHER_PATHS = _words_of(
    "Pi Half Huge Tiny Million Whole NegF True False Nil List Numbers Mixed None Map EmptyMap Nested Nested.One "
    "Nested.One.Two Nested.Null Map.c Map.c.d Servers EnvMap NoStrings Now"
)
_BAD_PATHS = _words_of("Missing Missing.Deep Nested.Nope Env.Foo name port k Nested.Null.X")
_LISTS = _words_of("List Numbers Mixed None Servers Map EmptyMap EnvMap NoStrings Nil Slot Map.c.d")
_TEXTS = [
    "",
    "a",
    "b c",
    "x_Y z",
    "v1",
    "é世",
    "two\nlines\n",
    '"q"',
    "<&>",
    "%",
    "{{",
    "\t",
    "0",
    "HOST",
    "name",
    "Two",
]
_NUMBERS = _words_of("0 1 2 3 7 20 -1 -3 0x1F 017 0b11 1_0 'a' '\\n' 1.5 2.0 -0.25 1e3 .5 1e-7 1e21 3i 1+2i")
_LAYOUTS = ["2006-01-02", "15:04:05.000", "Jan _2 3:04PM", "Monday 002 Z07:00 -0700 MST", "06/1/2 .999", "plain"]
_SPACES = [" ", "", "\n", "  ", "\n  ", "\t"]
_SLIPS = "{}()|.$:=\"'`-, \n%a5x/*"
_STAGES = [
    'default "d"',
    "toLower",
    "len",
    'printf "%v"',
    "quote",
    "html",
    "not",
    "print 1",
    "slug",
    "indent 2",
    "eq 1",
    "urlquery",
    "js",
    "truncSHA",
]


class Generator:
    """Templates without end."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._variables: list[str] = []
        self._loops = 0
        self._lowest = 0
        self._defined: list[int] = []
        self._root = True

    def template(self) -> str:
        """The next one."""
        self._variables, self._loops, self._lowest, self._root = [], 0, 0, True
        self._defined = [number for number in range(3) if self._chance(0.3)]
        text = self._body(3)
        for number in self._defined:
            self._variables, self._lowest = [], number + 1
            text += self._action(f'define "t{number}"') + self._body(1) + self._action("end")
        return self._slip(text) if self._chance(0.15) else text

    # Choices.

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _one(self, options: list[str]) -> str:
        return options[self._below(len(options))]

    def _below(self, number: int) -> int:
        # Much faster than randrange, and it has a hundred thousand choices to make.
        return int(self._random.random() * number)

    def _slip(self, text: str) -> str:
        at = self._below(len(text) + 1)
        kind = self._below(3)
        if kind == 0:
            return text[:at] + self._one(list(_SLIPS)) + text[at:]
        if kind == 1:
            return text[:at] + text[at + 1 :]
        return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]

    # Bodies.

    def _action(self, inner: str) -> str:
        left = "{{- " if self._chance(0.15) else "{{" if self._chance(0.3) else "{{ "
        right = " -}}" if self._chance(0.15) else "}}" if self._chance(0.3) else " }}"
        return left + inner + right

    def _body(self, depth: int) -> str:
        visible = len(self._variables)
        text = "".join(self._statement(depth) for _ in range(1 + self._below(3)))
        del self._variables[visible:]
        return text

    def _statement(self, depth: int) -> str:
        kind = self._below(20)
        if kind < 4 or (depth <= 0 and kind >= 14):
            return self._one(_SPACES) + self._one(["text", "#", "- a: ", "}", "", "é"]) + self._one(_SPACES)
        if kind < 10:
            return self._action(self._pipeline(2))
        if kind < 12:
            return self._declaration()
        if kind == 12 and (self._defined or self._chance(0.05)):
            return self._action(
                f"template {self._template_name()}" + self._one([" $", " .", "", " " + self._pipeline(1)])
            )
        if kind in (12, 13):
            return self._one(["{{/* c */}}", "{{- /* c */ -}}"] + ["{{ break }}", "{{ continue }}"] * (self._loops > 0))
        if kind < 17:
            return self._branch(depth)
        if kind < 19:
            return self._loop(depth)
        outer, self._variables, loops, self._loops = self._variables, [], self._loops, 0
        block = self._action(f'block "b{self._below(50)}" {self._pipeline(1)}') + self._body(depth - 1)
        self._variables, self._loops = outer, loops
        return block + self._action("end")

    def _declaration(self) -> str:
        value = self._pipeline(2)
        if self._variables and self._chance(0.4):
            return self._action(f"{self._one(self._variables)} = {value}")
        name = self._one(["$x", "$y", "$z"])
        self._variables.append(name)
        return self._action(f"{name} := {value}")

    def _branch(self, depth: int) -> str:
        word = self._one(["if", "if", "with"])
        root = self._root
        visible = len(self._variables)
        declared = ""
        if self._chance(0.15):
            self._variables.append("$w")
            declared = "$w := "
        text = self._action(f"{word} {declared}{self._pipeline(2)}")
        self._root = root and word == "if"
        text += self._body(depth - 1)
        self._root = root
        if self._chance(0.3):
            text += self._action(f"else {word} {self._pipeline(2)}")
            self._root = root and word == "if"
            text += self._body(depth - 1)
            self._root = root
        if self._chance(0.5):
            text += self._action("else") + self._body(depth - 1)
        del self._variables[visible:]
        return text + self._action("end")

    def _loop(self, depth: int) -> str:
        visible = len(self._variables)
        declared = self._one(["", "", "$v := ", "$i, $v := ", "$v = "])
        source = self._path("list") if self._chance(0.85) else self._one(["3", "0", self._pipeline(1)])
        if declared == "$v = " and "$v" not in self._variables:
            declared = "$v := "
        root = self._root
        self._variables += [name for name in ("$i", "$v") if name in declared and ":=" in declared]
        text = self._action(f"range {declared}{source}")
        self._loops, self._root = self._loops + 1, False
        text += self._body(min(depth - 1, 1))
        self._loops, self._root = self._loops - 1, root
        if self._chance(0.3):
            text += self._action("else") + self._body(0)
        del self._variables[visible:]
        return text + self._action("end")

    def _template_name(self) -> str:
        names = [number for number in self._defined if number >= self._lowest]
        return f'"t{self._random.choice(names)}"' if names and self._chance(0.95) else '"t3"'

    # Expressions.

    def _path(self, kind: str = "") -> str:
        paths = {"text": _TEXT_PATHS, "number": _NUMBER_PATHS, "list": _LISTS}.get(kind) or self._random.choice(
            [_TEXT_PATHS, _NUMBER_PATHS, _OTHER_PATHS]
        )
        if self._chance(0.04):
            paths = _BAD_PATHS
        prefix = "." if self._root != self._chance(0.05) else "$."
        return prefix + self._one(paths)

    def _pipeline(self, depth: int) -> str:
        text = self._call(depth) if self._chance(0.6) else self._operand(depth)
        while self._chance(0.25):
            text += " | " + self._one([*_STAGES, self._call(0)])
        return text

    def _operand(self, depth: int, kind: str = "") -> str:
        if kind and self._chance(0.92):
            if depth and self._chance(0.15):
                return f"({self._call(depth - 1, kind)})"
            return (
                self._path(kind) if self._chance(0.5) else self._text() if kind == "text" else self._one(_NUMBERS[:8])
            )
        choice = self._below(14)
        if choice < 6:
            return self._path()
        if choice < 8:
            return self._literal()
        if choice < 10 and self._variables:
            return self._one(self._variables) + (f".{self._one(_TEXT_PATHS)}" if self._chance(0.05) else "")
        if choice == 10:
            return self._one([".", "$", ".", "$nope" if self._chance(0.03) else "."])
        if depth and choice < 13:
            return f"({self._pipeline(depth - 1)})" + (self._one([".name", ".Two"]) if self._chance(0.03) else "")
        return self._literal()

    def _literal(self) -> str:
        kind = self._below(10)
        if kind < 5:
            return self._text()
        if kind < 8:
            return self._one(_NUMBERS)
        return self._one(["true", "false", "nil"] if kind == 8 else ["true", "false"])

    def _text(self) -> str:
        text = self._one(_TEXTS)
        if self._chance(0.2):
            return f"`{text}`"
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'

    def _words(self, depth: int, least: int, most: int, kind: str = "") -> str:
        return " ".join(self._operand(depth, kind) for _ in range(least + self._below(most - least + 1)))

    def _call(self, depth: int, wanted: str = "") -> str:
        inner = max(depth - 1, 0)
        if wanted == "number":
            return f"len {self._operand(inner, 'text')}"
        choice = self._below(12) if not wanted else 11
        kind = self._one(["text", "number"])
        if choice < 2:
            return f"{self._one(['eq', 'ne', 'lt', 'le', 'gt', 'ge'])} {self._words(inner, 2, 2, kind)}"
        if choice == 2:
            return f"{self._one(['and', 'or', 'eq'])} {self._words(inner, 2, 3, kind)}"
        if choice == 3:
            return f"default {self._words(inner, 2, 2)}"
        if choice < 6:
            return self._printf(inner)
        if choice == 6:
            return f"{self._one(['print', 'println', 'html', 'js', 'urlquery'])} {self._words(inner, 0, 3)}"
        if choice == 7:
            return self._index(inner)
        if choice == 8:
            item = self._one([self._path("text"), '"hello"', "$.List", "$.Numbers", self._operand(inner)])
            return f"slice {item}" + self._one(["", " 1", " 0 2", " 1 3", " 0 1 2", " 2 1", " 9"])
        if choice == 9:
            return self._time()
        return self._project_function(inner)

    def _index(self, depth: int) -> str:
        return "index " + self._one(
            [
                f"$.List {self._one(['0', '1', '2', '3'])}",
                f"$.Mixed {self._one(['0', '3', '4', '6', '-1'])}",
                f"$.Map {self._one([chr(34) + 'a' + chr(34), self._text()])}",
                f"$.EnvMap {self._operand(depth, 'text')}",
                f"$.Servers {self._one(['0', '1'])} {self._one([chr(34) + 'name' + chr(34), self._text()])}",
                '$.Map "c" "d" 1',
                f'"hello" {self._one(["0", "4", "5"])}',
                self._words(depth, 1, 3),
            ]
        )

    def _project_function(self, depth: int) -> str:
        text = self._operand(depth, "text")
        return self._one(
            [
                f"toLower {text}",
                f"slug {text}",
                f"truncSHA {text}",
                f"envOr {self._one([chr(34) + 'K' + chr(34), text])} {text}",
                f"ternary {self._one(['true', 'false', '(eq 1 1)', '$.False', '(not .)'])} {text} {text}",
                f"join {self._one(['$.List', '(slice $.List 1)', '$.None', '$.Numbers'])} {text}",
                f"indent {self._one(['0', '2', '4', '2.0', '$.Slot', 'nil'])} {text}",
                f"trimPrefix {text} {self._text()}",
                f"quote {text}",
                f"include {self._template_name()} {self._operand(depth)}" if self._defined else f"print {text}",
            ]
        )

    def _time(self) -> str:
        moment = self._one(["now", "$.Now", "$.Then"])
        layout = f'"{self._one(_LAYOUTS)}"'
        return self._one(
            [
                f"{moment}.Format {layout}",
                f"{layout} | {moment}.Format",
                f'printf "%v %d" {moment}.Month {moment}.Year',
                f"print {moment}.Weekday {moment}.YearDay {moment}.Hour",
                f"print ($.Now.Sub {moment})",
                f"print ({moment}.AddDate 0 {self._one(['1', '-1', '13', '0.5'])} 3)",
                f"{moment}.Before $.Now",
                f"eq {moment} $.Then",
                f"print {moment}",
            ]
        )

    def _printf(self, depth: int) -> str:
        values = [self._operand(depth) for _ in range(self._below(4))]
        pieces = [self._verb() for _ in range(max(len(values) + self._random.choice([0, 0, 0, 0, 1, -1]), 0))]
        text = self._one(["", "a", "|", "%%"]).join(pieces) + self._one(["", "é", "!"])
        return " ".join(["printf", f'"{text}"', *values])

    def _verb(self) -> str:
        flags = "".join(flag for flag in "#0+- " if self._chance(0.1))
        width = self._one(["", "", "", "3", "8"])
        precision = self._one(["", "", "", ".0", ".2", "."])
        index = self._one(["[1]", "[2]", "[9]"]) if self._chance(0.03) else ""
        verb = self._one(list("vvvvssddqqxXtTcUboOeEfFgGzé"))
        return f"%{flags}{index}{width}{precision}{verb}" if self._chance(0.97) else "%"
