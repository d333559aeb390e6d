"""JSON Schema of services.yaml, made from its types. `make docs` writes the services.schema.json that is shipped."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from codexctl_ci import REPOSITORY
from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.schema_types import Rules, Section

_SCALAR = ["string", "number", "boolean"]
_TEMPLATE = {"type": "string", "pattern": r"\{[{%]"}
_DURATION = {"type": "string", "pattern": r"^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|\{[{%]", "examples": ["90s", "1h30m"]}
_SIZE = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+\s*([kKmMgG]i?)?[bB]?$|\{[{%]", "examples": ["5Mi", "500k"]},
    ]
}
_TEXTS = {"additionalProperties": {"type": [*_SCALAR, "null"]}, "type": "object"}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): keys as written, descriptions from the types' docstrings."""
    sections: dict[str, dict[str, Any]] = {}
    root = _section(StackSpec, sections)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://raw.githubusercontent.com/{REPOSITORY}/main/codexctl_ci/stack/services.schema.json",
        "$defs": dict(sorted(sections.items())),
        **root,
        "title": "services.yaml",
    }


def _section(section: type[Section], sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of a section; those below it go into ``sections``."""
    described = field_docs(section)
    properties = {}
    for name, row in section.keys().items():
        found = _value(row.annotation, row.rules, sections)
        text = described.get(row.attribute)
        properties[name] = {**found, "description": text} if text else found
    required = [name for name, row in section.keys().items() if row.rules.required and name not in section.implied]
    return {
        "additionalProperties": False,
        "description": inspect.getdoc(section),
        "properties": properties,
        **({"required": required} if required else {}),
        "type": "object",
    }


def _value(kind: Any, rules: Rules, sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What may stand in the file: any scalar for a text, which keeps its source, a template for anything else."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        found = _value(next(one for one in inner if one is not NoneType), rules._replace(examples=()), sections)
        return {"anyOf": [found, {"type": "null"}], **_examples(rules)}
    if kind is str:
        return {"pattern": rules.pattern, "type": "string"} if rules.pattern else {"type": _SCALAR, **_examples(rules)}
    if kind is int:
        bounds = {"minimum": rules.least, "maximum": rules.most}
        bounded = {"type": "integer", **{key: value for key, value in bounds.items() if value is not None}}
        return {"anyOf": [bounded, _TEMPLATE]}
    if kind is bool:
        return {"anyOf": [{"type": "boolean"}, _TEMPLATE]}
    if origin is Literal:
        return {"anyOf": [{"type": "string", "enum": list(inner)}, _TEMPLATE]}
    if origin is Annotated:
        special: dict[str, dict[str, Any]] = {"duration": _DURATION, "size": _SIZE, "texts": _TEXTS}
        return special[inner[1]]
    if origin is tuple:
        return {"items": _value(inner[0], rules, sections), "type": "array"}
    if origin is dict:
        return {"additionalProperties": _value(inner[1], rules, sections), "type": "object"}
    if kind.__name__ not in sections:
        sections[kind.__name__] = {}
        sections[kind.__name__] = _section(kind, sections)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _examples(rules: Rules) -> dict[str, Any]:
    return {"examples": list(rules.examples)} if rules.examples else {}


def field_docs(section: type[Section]) -> dict[str, str]:
    """The string below each field, by attribute name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            value = below.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found


def as_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
