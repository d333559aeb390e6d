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


def _tidy(part: Any) -> None:
    """Take out what only says how Python spells things."""
    if isinstance(part, dict):
        if part.get("format") == "duration":
            part.pop("format")
        part.pop("default", None)
        if "enum" in part and part.pop("type", "") == "string":
            # A template may stand for any of them.
            part["anyOf"] = [{"enum": part.pop("enum")}, {"type": "string", "pattern": r"\{[{%]"}]
        if "title" in part and isinstance(part["title"], str):
            part.pop("title")
        for value in part.values():
            _tidy(value)
    elif isinstance(part, list):
        for value in part:
            _tidy(value)


def as_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text())
