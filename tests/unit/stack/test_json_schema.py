"""The JSON Schema that the package ships."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.stack import json_schema
from codexctl_ci.stack.yaml_nodes import Builder, compose_all

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "codexctl_ci" / "stack" / "services.schema.json"
EXAMPLES = sorted((ROOT / "examples").glob("*/services.yaml"))


@cache
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def read(text: str) -> Any:
    (node,) = compose_all(text, "services.yaml")
    return Builder("services.yaml").build(node)


def test_the_shipped_file_is_fresh() -> None:
    assert SHIPPED.read_text("utf-8") == json_schema.as_text(), "stale: run `make docs`"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"], {}) == 0
    assert capsys.readouterr().out == SHIPPED.read_text("utf-8")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.parent.name))
def test_every_example_is_valid_as_an_editor_sees_it(file: Path) -> None:
    text = file.read_text("utf-8").replace("maxSlots: {{", "maxSlots: !!str # {{")
    assert [error.message for error in validator().iter_errors(read(text))] in (
        [],
        ["'' is not valid under any of the given schemas"],
    )


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "project: a\nprojct: b",
        "project: a\nservices: [{nam: x}]",
        "project: a\nservices: {}",
        "project: a\nmaxSlots: many",
        "project: a\nimages: {x: {type: bild}}",
        "project: a\ncodex: {timeouts: {exec: 9}}",
        "project: a\nservices: [{name: x, deployGroup: edg}]",
        "project: a\nservices: [{name: x, hooks: {afterApply: [{continueOnError: maybe}]}}]",
    ],
)
def test_faults_are_seen_by_an_editor(text: str) -> None:
    assert list(validator().iter_errors(read(text)))


@pytest.mark.parametrize(
    "text",
    [
        "project: a\nversions: {x: 1.10, y: true, z: }",
        "project: a\nmaxSlots: '{{ env }}'\nimages: {x: {type: '{{ env }}'}}",
        "project: a\ncodex: {reviewMCPEnabled: true, mcp: {servers: [{name: x, type: stdio, startup_timeout_sec: 3}]}}",
        "project: a\nservices: [{name: x, when: true}, {name: y, when: }]",
        "project: a\nimages: {x: {from: f, local: l}}",
    ],
)
def test_what_is_right_is_right_in_an_editor(text: str) -> None:
    assert [error.message for error in validator().iter_errors(read(text))] == []


def test_every_key_says_what_it_is() -> None:
    schema = json_schema.json_schema()
    undescribed = [
        f"{section}: {key}"
        for section, body in {"services.yaml": schema, **schema["$defs"]}.items()
        for key, value in body["properties"].items()
        if "description" not in value and "$ref" not in str(value)
    ]
    assert undescribed == []
