"""JSON Schema of services.yaml, made from its types. The package ships it as services.schema.json.

To make it anew: ``python -m codexctl_ci.stack.json_schema > codexctl_ci/stack/services.schema.json``
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from typing import Any

from codexctl_ci import REPOSITORY
from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.schema_types import Section


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): keys as written, descriptions from the types' docstrings."""
    schema = StackSpec.model_json_schema(by_alias=True)
    models = {model.__name__: model for model in _models(Section)}
    for name, part in [("StackSpec", schema), *schema.get("$defs", {}).items()]:
        described = _field_docs(models[name])
        keys = models[name].known_keys()
        for key, prop in part.get("properties", {}).items():
            prop.pop("title", None)
            text = described.get(keys[key])
            if text and "description" not in prop:
                prop["description"] = text
        part.pop("title", None)
    _tidy(schema)
    schema["title"] = "services.yaml"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://raw.githubusercontent.com/{REPOSITORY}/main/codexctl_ci/stack/services.schema.json",
        **schema,
    }


def _models(base: type[Section]) -> list[type[Section]]:
    found = []
    for model in base.__subclasses__():
        found += [model, *_models(model)]
    return found


def _field_docs(model: type[Section]) -> dict[str, str]:
    """The string below each field, by attribute name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            value = below.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found


_SCALAR = ["string", "number", "boolean"]
_TEMPLATE = {"type": "string", "pattern": r"\{[{%]"}
_DURATION = {"type": "string", "pattern": r"^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|\{[{%]", "examples": ["90s", "1h30m"]}

_SIZE = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]+\s*([kKmMgG]i?)?[bB]?$|\{[{%]", "examples": ["5Mi", "500k"]},
    ]
}


def _tidy(part: Any) -> None:
    """Say what may stand in the file: any scalar for a text, which keeps its source, a template for anything else."""
    if isinstance(part, list):
        for value in part:
            _tidy(value)
    if not isinstance(part, dict):
        return
    part.pop("default", None)
    if isinstance(part.get("title"), str):
        part.pop("title")
    kind = part.get("type")
    form = part.pop("format", "")
    if form == "duration":
        part.update(_DURATION)
    elif form == "size":
        part.pop("type", None)
        part.update(_SIZE)
    elif "enum" in part or kind in ("integer", "boolean"):
        keys = [key for key in ("type", "enum", "minimum", "maximum") if key in part]
        part["anyOf"] = [{key: part.pop(key) for key in keys}, dict(_TEMPLATE)]
    elif kind == "string" and "pattern" not in part:
        part["type"] = list(_SCALAR)
    for key, value in part.items():
        if key not in ("anyOf", "enum", "examples") or {"type": "null"} in value:
            _tidy(value)
    if part.get("type") == "object" and part.get("additionalProperties") == {"type": _SCALAR}:
        part["additionalProperties"] = {"type": [*_SCALAR, "null"]}


def as_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
