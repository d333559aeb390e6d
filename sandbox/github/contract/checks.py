"""Hold requests, answers and webhooks against the extracts of GitHub's description."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_schema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

HERE = Path(__file__).parent
NOT_IMITATED = "not-imitated"
ROOT = "urn:github"
Json = Any


class Violation(Exception):
    """A request, answer or webhook isn't what GitHub's description says."""


@dataclass(frozen=True)
class Operation:
    """One operation of the REST API, as the extract has it."""

    id: str
    method: str
    path: str
    parameters: tuple[dict[str, Json], ...]
    request: Json
    responses: dict[str, Json]
    pattern: re.Pattern[str]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path's parameters, or None where this isn't the operation."""
        found = self.pattern.fullmatch(path) if method == self.method else None
        return found.groupdict() if found else None


def _pattern(path: str) -> re.Pattern[str]:
    # Names of refs, labels and files may hold slashes where they end the path.
    def part(found: re.Match[str]) -> str:
        wide = found.group(1) in {"ref", "path", "branch"} or found.group(1) == "name"
        return f"(?P<{found.group(1)}>{'.+' if wide else '[^/]+'})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", part, re.escape(path)))


class RestContract:
    """The REST side of the contract."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._registry: Registry[Json] = Registry().with_resource(
            ROOT, Resource.from_contents(document, default_specification=DRAFT202012)
        )
        self._validators: dict[str, Draft202012Validator] = {}
        self.operations = tuple(
            Operation(
                name,
                item["method"],
                item["path"],
                tuple(item["parameters"]),
                item["request"],
                item["responses"],
                _pattern(item["path"]),
            )
            for name, item in document["operations"].items()
        )

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation that a request means; the most literal path wins."""
        found = [(item, match) for item in self.operations if (match := item.match(method, path)) is not None]
        return min(found, key=lambda pair: pair[0].path.count("{"), default=None)

    def check_request(self, operation: Operation, query: dict[str, str], body: Json) -> None:
        """Raise Violation where a query parameter or the body isn't in the description."""
        known = {item["name"]: item for item in operation.parameters if item["in"] == "query"}
        for name, value in query.items():
            if name not in known:
                raise Violation(f"{operation.id}: unknown query parameter {name}")
            schema = known[name]["schema"]
            kind = schema.get("type")
            typed: Json = int(value) if kind == "integer" and value.lstrip("-").isdigit() else value
            typed = value == "true" if kind == "boolean" and value in {"true", "false"} else typed
            self._check(f"{operation.id} query {name}", schema, typed)
        if operation.request is None:
            return
        self._check(f"{operation.id} request", operation.request, body)
        allowed = self.properties(operation.request)
        if isinstance(body, dict) and allowed and (unknown := set(body) - allowed):
            raise Violation(f"{operation.id} request: unknown field {', '.join(sorted(unknown))}")

    def check_response(self, operation: Operation, status: int, body: Json) -> None:
        """Raise Violation where the status or the body isn't in the description."""
        if str(status) not in operation.responses:
            # Some statuses stand for the whole API and are described for few operations.
            if status in {401, 403, 404, 429, 500, 503}:
                return
            raise Violation(f"{operation.id}: status {status} is not described")
        schema = operation.responses[str(status)]
        if schema is not None:
            self._check(f"{operation.id} response {status}", schema, body)

    def check_webhook(self, name: str, payload: Json) -> None:
        """Raise Violation where a webhook's payload isn't as described. `name`: `issues-labeled`."""
        self._check(f"webhook {name}", self._document["webhooks"][name], payload)

    def webhook_schema(self, name: str) -> Json:
        """Return the payload's schema."""
        return self._document["webhooks"][name]

    def resolve(self, schema: Json) -> Json:
        """Follow a reference to a component."""
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def properties(self, schema: Json) -> set[str]:
        """Return the names that an object of this schema may have; empty where anything goes."""
        schema = self.resolve(schema)
        names = set(schema.get("properties", {}))
        for part in ("allOf", "anyOf", "oneOf"):
            for item in schema.get(part, ()):
                names |= self.properties(item)
        return names

    def valid(self, schema: Json, value: Json) -> bool:
        """Say whether a value fits a schema."""
        return self._validator(schema).is_valid(value)

    def _check(self, what: str, schema: Json, value: Json) -> None:
        errors = sorted(self._validator(schema).iter_errors(value), key=lambda item: len(item.path))
        if errors:
            first = errors[0]
            while first.context:
                first = min(first.context, key=lambda item: -len(item.path))
            where = "/".join(str(part) for part in first.absolute_path)
            raise Violation(f"{what}: at {where or 'the top'}: {first.message[:400]}")

    def _validator(self, schema: Json) -> Draft202012Validator:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator(schema, registry=self._registry)
        return self._validators[key]


class Completion:
    """Fill what GitHub always sends and the imitation doesn't know with values that show it.

    Strings become `not-imitated`, so that nobody can rely on them unseen.
    """

    def __init__(self, contract: RestContract) -> None:
        self._contract = contract

    def complete(self, schema: Json, value: Json) -> Json:
        """Return the value with every required, missing member added."""
        schema = self._contract.resolve(schema) or {}
        for part in ("anyOf", "oneOf"):
            if part in schema:
                return self._one_of(schema[part], value)
        if isinstance(value, list):
            return [self.complete(schema.get("items", {}), item) for item in value]
        if not isinstance(value, dict):
            return value
        done = dict(value)
        for piece in (*schema.get("allOf", ()), schema):
            resolved = self._contract.resolve(piece)
            if piece is not schema:
                done = self.complete(piece, done)
            known = resolved.get("properties", {})
            for name in known.keys() & done.keys():
                done[name] = self.complete(known[name], done[name])
            for name in resolved.get("required", ()):
                if name not in done:
                    done[name] = self._default(known.get(name, {}))
        return done

    def _one_of(self, options: list[Json], value: Json) -> Json:
        for option in options:
            candidate = self.complete(option, value)
            if self._contract.valid(option, candidate):
                return candidate
        return value

    def _default(self, schema: Json) -> Json:
        schema = self._contract.resolve(schema)
        if "enum" in schema:
            return None if None in schema["enum"] else schema["enum"][0]
        for part in ("anyOf", "oneOf"):
            if part in schema:
                options = [self._default(item) for item in schema[part]]
                return None if None in options else options[0]
        if "allOf" in schema:
            return self.complete(schema, {})
        kind = schema.get("type")
        if isinstance(kind, list):
            return None
        if kind == "object" or "properties" in schema:
            return self.complete(schema, {})
        if kind == "string":
            return "1970-01-01T00:00:00Z" if schema.get("format") == "date-time" else NOT_IMITATED
        return {"array": [], "integer": 0, "number": 0, "boolean": False}.get(str(kind))


@lru_cache(maxsize=1)
def rest_contract() -> RestContract:
    """Load the REST extract."""
    text = (HERE / "rest.json").read_text().replace('"#/components/', f'"{ROOT}#/components/')
    return RestContract(json.loads(text))


@lru_cache(maxsize=1)
def graphql_schema() -> GraphQLSchema:
    """Load the GraphQL extract."""
    return build_schema((HERE / "schema.graphql").read_text())
