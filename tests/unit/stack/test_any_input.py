"""Whatever stands in services.yaml or a manifest: it loads, or it is refused with an error for its author."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.images import image_plan
from codexctl_ci.stack.rendering import render
from tests.support.projects import load

WORDS = [
    "project",
    "services",
    "infrastructure",
    "name",
    "manifests",
    "path",
    "image",
    "repository",
    "tagTemplate",
    "overlays",
    "dev",
    "pvcMounts",
    "claimName",
    "mountPath",
    "hooks",
    "beforeApply",
    "run",
    "use",
    "when",
    "dependsOn",
    "deployGroup",
    "environments",
    "from",
    "images",
    "type",
    "external",
    "build",
    "codex",
    "mcp",
    "servers",
    "templates",
    "partials",
    "dialect",
    "namespace",
    "patterns",
    "versions",
    "baseDomain",
    "envFiles",
    "timeouts",
    "exec",
    "kind",
    "metadata",
    "spec",
    "template",
    "containers",
    "apiVersion",
    "initContainers",
    "volumes",
]
VALUES = [
    "",
    "a",
    "true",
    "no",
    "1.10",
    "-1",
    "{{ env }}",
    "{{ .Env }}",
    "{% if x %}",
    "a.yaml",
    "../x",
    "ai",
    "go",
    "\0",
    "é",
]

scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(VALUES))
documents = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.sampled_from(WORDS), below, max_size=5)),
    max_leaves=25,
)
sections = st.dictionaries(st.sampled_from(WORDS), documents, max_size=6)


def attempt(folder: Path, services: str, manifest: str) -> None:
    try:
        project = load(folder, services, a_yaml=manifest)
        render(project)
        image_plan(project)
    except ConfigError as error:
        assert str(error)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sections, documents)
def test_any_document_loads_or_is_refused(tmp_path: Path, services: dict[str, Any], manifest: Any) -> None:
    text = json.dumps({"project": "shop", **services})
    attempt(tmp_path, text, json.dumps(manifest))


ITEM = {"name": "x", "manifests": [{"path": "a.yaml"}], "image": {"repository": "r", "tagTemplate": "1"}}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sections, st.sampled_from(["Deployment", "CronJob", "Pod", "List", "Ingress"]))
def test_any_object_renders_or_is_refused(tmp_path: Path, parts: dict[str, Any], kind: str) -> None:
    overlay = {"pvcMounts": [{"name": "v", "claimName": "c", "mountPath": "/m"}]}
    environments = {"dev": {"imagePullPolicy": "Always"}}
    services = {"project": "shop", "environments": environments, "services": [{**ITEM, "overlays": {"dev": overlay}}]}
    manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, **parts}
    attempt(tmp_path, json.dumps(services), json.dumps(manifest))


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "\ufeffproject: a",
        "project: a\r\nmaxSlots: 1\r\n",
        "? a\n: b",
        "&x *x",
        "--- a\n--- b",
        "%YAML 9.9\n---\na: b",
    ],
)
def test_odd_texts(tmp_path: Path, text: str) -> None:
    (tmp_path / "services.yaml").write_bytes(text.encode())
    attempt(tmp_path, "", "")
