"""The page of reference with every key of services.yaml, made from its types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from codexctl_ci.durations import format_duration
from codexctl_ci.stack.json_schema import field_docs
from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.schema_types import Key, Rules, Section

_SPECIAL = {"duration": "duration, like `90s` or `1h30m`", "size": "bytes, like `5Mi`", "texts": "map of texts"}
_SCALARS = {str: "text", int: "number", bool: "`true` or `false`"}


class Place(NamedTuple):
    """Where a section stands, as ``services[].overlays.<env>``."""

    path: str
    section: type[Section]


def keys_markdown() -> str:
    """The text of docs/services-yaml-keys.md."""
    lines = [
        "# Keys of services.yaml",
        "",
        "Made by `make docs` from the types in `codexctl_ci/stack/schema.py`; [services-yaml.md](services-yaml.md)",
        "explains them. `[]` is each item of a list, `<name>` each name of a map. Keys in **bold** must be there.",
        "Values may be templates.",
        "",
    ]
    paths: dict[type[Section], list[str]] = {}
    for place in places(Place("", StackSpec)):
        paths.setdefault(place.section, []).append(place.path)
    for section, found in paths.items():
        lines += [f"## {f'`{found[0]}`' if found[0] else 'At the top'}", "", _line(section.__doc__ or ""), ""]
        if found[1:]:
            lines += ["The same at " + ", ".join(f"`{path}`" for path in found[1:]) + ".", ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        described = field_docs(section)
        for name, row in section.keys().items():
            required = row.rules.required and name not in section.implied
            meaning = described.get(row.attribute) or "".join(
                (one.__doc__ or "").split(". ")[0].rstrip(".") + "." for one in _sections(row.annotation)
            )
            shown = f"**`{name}`**" if required else f"`{name}`"
            lines.append(f"| {shown} | {_words(row.annotation, row.rules)} | {_default(row)} | {_line(meaning)} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def places(place: Place) -> Iterator[Place]:
    """The section and all below it, each wherever it stands."""
    yield place
    for name, row in place.section.keys().items():
        path = f"{place.path}.{name}" if place.path else name
        for section in _sections(row.annotation):
            yield from places(Place(path + _step(row.annotation), section))


def _sections(kind: Any) -> tuple[type[Section], ...]:
    """The section that a value is made of, or none."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return (kind,)
    if get_origin(kind) in (Annotated, Literal):
        return ()
    return tuple(section for inner in get_args(kind) for section in _sections(inner))


def _step(kind: Any) -> str:
    return {tuple: "[]", dict: ".<name>"}.get(get_origin(kind), "")


def _words(kind: Any, rules: Rules) -> str:
    """What may stand there, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _words(next(one for one in inner if one is not NoneType), rules)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin is Annotated:
        return _SPECIAL[inner[1]]
    if origin is tuple:
        return "list" if _sections(kind) else f"list of {_words(inner[0], rules)}s"
    if origin is dict:
        return "map"
    if rules.examples:
        return ", ".join(f"`{one}`" for one in rules.examples)
    return _SCALARS.get(kind, "section")


def _default(row: Key) -> str:
    value = row.rules.default
    if row.rules.required or row.rules.factory or value in (None, "", ()):
        return ""
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, tuple):
        return " ".join(f"`{one}`" for one in value)
    if _SPECIAL["size"] == _words(row.annotation, row.rules):
        return f"`{value // 2**20}Mi`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _line(text: str) -> str:
    """``text`` on one line of a table, as Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("``", "`")
