"""From a document to a StackSpec, with every fault found in one run and placed in the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from codexctl_ci.errors import Finding
from codexctl_ci.stack.document import Document, Path
from codexctl_ci.stack.schema import StackSpec

_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "time_delta_type": "a duration like 90s, 10m or 1h30m",
}
_ROUNDS = 4
_GAP = object()


@dataclass(frozen=True)
class Validated:
    """``spec`` is None where what is left after taking the faults out is no stack at all."""

    spec: StackSpec | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def validate(document: Document, *, unknown_keys_are_errors: bool) -> Validated:
    """Check ``document`` against the schema. Faulty parts are left out of ``spec``, so that the rest can be checked."""
    data: Any = deepcopy(document.data)
    errors: list[Finding] = list(document.findings)
    warnings: list[Finding] = []
    cut: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return Validated(StackSpec.model_validate(_without_gaps(data)), tuple(errors), tuple(warnings))
        except ValidationError as error:
            faults = [(_original(data, detail["loc"]), detail) for detail in error.errors(include_url=False)]
        for path, detail in faults:
            if detail["type"] == "missing" and path in cut:
                continue  # its value was at fault, and that has been said
            unknown = detail["type"] == "extra_forbidden"
            found = _finding(path, detail, document)
            (warnings if unknown and not unknown_keys_are_errors else errors).append(found)
        for path, _detail in faults:
            _cut(data, path)
            cut.add(path)
    return Validated(None, tuple(errors), tuple(warnings))


def _finding(path: Path, detail: ErrorDetails, document: Document) -> Finding:
    kind = detail["type"]
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return document.finding(path, f"unknown key {dotted(path)}", did_you_mean(name, _known_keys(path[:-1])))
    if kind == "missing":
        return document.finding(path[:-1], f"{dotted(path[:-1]) or 'the file'} has no {name}")
    if kind in _EXPECTED:
        message = f"{dotted(path)} must be {_EXPECTED[kind]}, not {_describe(detail.get('input'))}"
        return document.finding(path, message)
    if kind == "literal_error":
        choices = [word.strip("'") for word in str(detail["ctx"]["expected"]).replace(" or ", ", ").split(", ")]
        given = str(detail.get("input"))
        message = f"{dotted(path)} is {given!r}; it must be one of {', '.join(choices)}"
        return document.finding(path, message, did_you_mean(given, choices))
    if kind == "string_pattern_mismatch":
        message = f"{dotted(path)} is {detail.get('input')!r}: lower-case letters, digits and dashes only"
        return document.finding(path, message)
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    return document.finding(path, f"{dotted(path)}: {message}")


def dotted(path: Iterable[str | int]) -> str:
    """``path`` as people write it: ``services[2].image``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest of ``known``, or with all of a few; empty where there is nothing to say."""
    names = sorted(known)
    lower = {known_name.lower(): known_name for known_name in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean {lower[near[0]]}?"
    return f"known here: {', '.join(names)}" if 0 < len(names) <= 8 else ""


def _describe(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "blank" if value is None else repr(value)


def _known_keys(path: Path) -> list[str]:
    """The keys of the section at ``path``."""
    here: Any = StackSpec
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            known = here.known_keys()  # type: ignore[attr-defined]
            here = here.model_fields[known[part]].annotation if part in known else None
        else:
            inner = [arg for arg in get_args(here) if arg is not type(None) and arg is not Ellipsis]
            here = inner[-1] if inner else None
        here = _without_none(here)
    return list(here.known_keys()) if isinstance(here, type) and issubclass(here, BaseModel) else []  # type: ignore[attr-defined]


def _without_none(annotation: Any) -> Any:
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return inner[0] if len(inner) == 1 and get_origin(annotation) not in (dict, tuple) else annotation


def _cut(data: Any, path: Path) -> None:
    """Take the value at ``path`` out, or the nearest thing above it that is there."""
    if path == ("project",):
        data["project"] = "unnamed"
        return
    holder: Any = None
    last: Any = None
    for part in path:
        if not (part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)):
            break
        holder, last, data = data, part, data[part]
    if isinstance(holder, dict):
        holder.pop(last, None)
    elif isinstance(holder, list):
        holder[last] = _GAP


def _without_gaps(data: Any) -> Any:
    """``data`` without the items that were cut out of lists."""
    if isinstance(data, dict):
        return {key: _without_gaps(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_without_gaps(item) for item in data if item is not _GAP]
    return data


def _original(data: Any, path: Path) -> Path:
    """``path`` in the data without gaps, as a path in ``data``."""
    found: list[str | int] = []
    for part in path:
        if isinstance(data, list) and isinstance(part, int):
            part = [position for position, item in enumerate(data) if item is not _GAP][part]
            data = data[part]
        elif isinstance(data, dict):
            data = data.get(str(part))
        found.append(part)
    return tuple(found)
