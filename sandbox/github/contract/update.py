"""Make the extracts of GitHub's published contract that the imitation is held against.

Run `python -m sandbox.github.contract.update` by hand when `selection.py` has changed. It fetches two npm
packages with `npm pack`, keeps what is selected there, drops every word of prose, and writes `rest.json`,
`schema.graphql` and `source.json` beside itself.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphql import (
    DefinitionNode,
    DocumentNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from sandbox.github.contract.selection import GRAPHQL_FIELDS, OPERATIONS, WEBHOOKS

HERE = Path(__file__).parent
OPENAPI_PACKAGE = "@octokit/openapi"
GRAPHQL_PACKAGE = "@octokit/graphql-schema"
PROSE = frozenset({"description", "summary", "example", "examples", "externalDocs", "title", "deprecated", "tags"})
Json = Any


def fetch(package: str, folder: Path) -> tuple[Path, dict[str, str]]:
    """Unpack an npm package below `folder`; return its root and its name, version and licence."""
    done = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True)
    archive = folder / done.stdout.strip().splitlines()[-1]
    root = folder / archive.stem
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    metadata = json.loads((root / "package" / "package.json").read_text())
    return root / "package", {key: metadata[key] for key in ("name", "version", "license")}


def without_prose(node: Json, names: bool = False) -> Json:
    """Copy an OpenAPI node as JSON Schema: no prose, no extensions, `nullable` spelt out.

    `names` says that the keys of this mapping are names somebody chose (of properties, of schemas), not
    keywords.
    """
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: without_prose(value) for key, value in node.items()}
    kept = {
        key: without_prose(value, names=key in {"properties", "schemas", "responses", "parameters"})
        for key, value in node.items()
        if key not in PROSE and not key.startswith("x-")
    }
    if kept.pop("nullable", False):
        if "type" in kept:
            kept["type"] = [kept["type"], "null"]
            if "enum" in kept and None not in kept["enum"]:
                kept["enum"] = [*kept["enum"], None]
        else:
            kept = {"anyOf": [kept, {"type": "null"}]}
    return kept


def references(node: Json) -> Iterator[str]:
    """Yield every `#/components/...` reference below a node."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)


def resolve(document: Json, reference: str) -> Json:
    """Look a `#/a/b` reference up."""
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def json_schema(body: Json) -> Json:
    """Return the schema of a request's or response's JSON content, or None where it has none."""
    for kind, content in (body or {}).get("content", {}).items():
        if "json" in kind:
            return content.get("schema", {})
    return None


def rest_extract(document: Json) -> Json:
    """Cut the selected operations and webhooks, with the schemas they need, out of GitHub's description."""
    operations: dict[str, Json] = {}
    for method, path in OPERATIONS:
        found = document["paths"][path][method]
        parameters = [
            resolve(document, item["$ref"]) if "$ref" in item else item for item in found.get("parameters", [])
        ]
        responses = {
            code: resolve(document, item["$ref"]) if "$ref" in item else item
            for code, item in found["responses"].items()
        }
        operations[found["operationId"]] = {
            "method": method.upper(),
            "path": path,
            "parameters": [
                {
                    "name": item["name"],
                    "in": item["in"],
                    "required": item.get("required", False),
                    "schema": without_prose(item["schema"]),
                }
                for item in parameters
            ],
            "request": without_prose(json_schema(found.get("requestBody"))),
            "responses": {code: without_prose(json_schema(item)) for code, item in responses.items()},
        }
    webhooks = {
        name: without_prose(json_schema(document["x-webhooks"][name]["post"]["requestBody"])) for name in WEBHOOKS
    }
    schemas: dict[str, Json] = {}
    waiting = list(references([operations, webhooks]))
    while waiting:
        name = waiting.pop().rsplit("/", 1)[1]
        if name not in schemas:
            schemas[name] = without_prose(document["components"]["schemas"][name])
            waiting.extend(references(schemas[name]))
    return {
        "operations": dict(sorted(operations.items())),
        "webhooks": webhooks,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def named_type(node: TypeNode) -> str:
    """Return the name below a type's list and non-null wrappers."""
    inner: Any = node
    while hasattr(inner, "type"):
        inner = inner.type
    return str(inner.name.value)


def bare(node: Any) -> Any:
    """Return a definition without descriptions and directives."""
    changes: dict[str, Any] = {}
    if hasattr(node, "description"):
        changes["description"] = None
    if hasattr(node, "directives"):
        changes["directives"] = ()
    for part in ("fields", "arguments", "values"):
        if getattr(node, part, None):
            changes[part] = tuple(bare(item) for item in getattr(node, part))
    return replace(node, **changes)


def selected(node: Any, selection: Mapping[str, str]) -> Any:
    """Return an object type, interface or union with only the selected fields, interfaces and members."""
    name = node.name.value
    if isinstance(node, UnionTypeDefinitionNode):
        return replace(node, types=tuple(item for item in node.types or () if item.name.value in selection))
    if not isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return node
    if name not in selection:
        raise LookupError(f"type {name} is used but no field of it is selected")
    interfaces = tuple(item for item in node.interfaces or () if item.name.value in selection)
    wanted = dict.fromkeys(selection[name].split())
    for interface in interfaces:
        wanted.update(dict.fromkeys(selection[interface.name.value].split()))
    fields = {item.name.value: item for item in node.fields or ()}
    return replace(node, interfaces=interfaces, fields=tuple(fields[item] for item in wanted))


def graphql_extract(text: str, selection: Mapping[str, str]) -> str:
    """Cut the selected types and fields, and the input types they need, out of GitHub's schema."""
    definitions: dict[str, TypeDefinitionNode] = {
        item.name.value: item for item in parse(text).definitions if isinstance(item, TypeDefinitionNode)
    }
    kept: dict[str, Any] = {}
    waiting = list(selection)
    while waiting:
        name = waiting.pop()
        if name in kept or name not in definitions:
            continue
        node = kept[name] = bare(selected(definitions[name], selection))
        for field in getattr(node, "fields", None) or ():
            waiting.append(named_type(field.type))
            waiting.extend(named_type(argument.type) for argument in getattr(field, "arguments", None) or ())
        waiting.extend(item.name.value for item in getattr(node, "types", None) or ())
    ordered: tuple[DefinitionNode, ...] = tuple(kept[name] for name in sorted(kept))
    return print_ast(DocumentNode(definitions=ordered)) + "\n"


def main() -> None:
    """Fetch both packages and write the extracts."""
    with tempfile.TemporaryDirectory() as folder:
        openapi, openapi_source = fetch(OPENAPI_PACKAGE, Path(folder))
        schema, schema_source = fetch(GRAPHQL_PACKAGE, Path(folder))
        rest = rest_extract(json.loads((openapi / "generated" / "api.github.com.json").read_text()))
        graphql = graphql_extract((schema / "schema.graphql").read_text(), GRAPHQL_FIELDS)
    (HERE / "rest.json").write_text(json.dumps(rest, separators=(",", ":"), sort_keys=True) + "\n")
    (HERE / "schema.graphql").write_text(graphql)
    (HERE / "source.json").write_text(json.dumps([openapi_source, schema_source], indent=2) + "\n")


if __name__ == "__main__":
    main()
