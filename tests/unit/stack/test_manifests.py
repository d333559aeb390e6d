"""Kubernetes objects from text."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.manifests import parse_manifests, set_namespaces
from codexctl_ci.stack.rendering import render
from tests.support.projects import load, write_files

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_words_of_yaml_1_1_are_strings() -> None:
    (manifest,) = parse_manifests(f"{OBJECT}data: {{a: yes, b: no, c: on, d: off, e: 22:22, f: y}}\n", "m.yaml")
    assert manifest["data"] == {"a": "yes", "b": "no", "c": "on", "d": "off", "e": "22:22", "f": "y"}


def test_file_modes_are_octal() -> None:
    (manifest,) = parse_manifests(f"{OBJECT}mode: 0644\n", "m.yaml")
    assert manifest["mode"] == 420


def test_lists_are_taken_apart_and_empty_documents_left_out() -> None:
    text = (
        f"---\n# nothing\n---\n{OBJECT}---\napiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n---\n"
    )
    assert [m["kind"] for m in parse_manifests(text, "m.yaml")] == ["ConfigMap", "Secret"]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("- a\n", ["m.yaml:1:1: is no Kubernetes object: not a mapping"]),
        ("kind: X\nmetadata: {name: a}\n", ["m.yaml:1:1: object has no apiVersion"]),
        ("apiVersion: v1\nmetadata: {name: a}\n", ["m.yaml:1:1: object has no kind"]),
        ("apiVersion: v1\nkind: X\n", ["m.yaml:1:1: X has no metadata.name"]),
        ("apiVersion: v1\nkind: X\nmetadata:\n", ["m.yaml:1:1: X has no metadata.name"]),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 12}\n", ["m.yaml:1:1: X has no metadata.name that is text: 12"]),
        (
            f"{OBJECT}data: {{a: 1, a: 2}}\n---\nkind: X\n",
            [
                "m.yaml:4:14: key 'a' stands twice in one mapping",
                "m.yaml:6:1: object has no apiVersion",
                "m.yaml:6:1: X has no metadata.name",
            ],
        ),
    ],
)
def test_faults_say_where(text: str, faults: list[str]) -> None:
    with pytest.raises(InvalidStack) as caught:
        parse_manifests(text, "m.yaml")
    assert [str(finding) for finding in caught.value.findings] == faults


def manifest(kind: str, **metadata: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", **metadata}}


def test_namespaced_objects_without_a_namespace_get_one_and_cluster_scoped_ones_lose_theirs() -> None:
    objects = [manifest("Pod"), manifest("Pod", namespace="other"), manifest("Node", namespace="x"), manifest("New")]
    set_namespaces(objects, "own", lambda _version, kind: {"Node": False, "New": None}.get(kind, True))
    assert [m["metadata"].get("namespace") for m in objects] == ["own", "other", None, "own"]  # type: ignore[attr-defined]


SERVICES = """
    project: shop
    infrastructure: [{name: a, manifests: [{path: one.yaml}, {path: two.yaml}, {path: gone.yaml}]}]
    services: [{name: b, manifests: [{path: three.yaml}]}]
    """


def test_faults_of_all_manifests_are_found_at_once(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "one.yaml": "# {{ env }}\nkind: X\n",
            "two.yaml": "{% if env %}\n{% endif %}\na: {{ nothing }}\n",
            "three.yaml": "{% for x in [1, 2, 3] %}\n{% endfor %}\na: b: c\n",
        },
    )
    with pytest.raises(InvalidStack) as caught:
        render(load(tmp_path, SERVICES))
    found = [str(finding) for finding in caught.value.findings]
    assert found[0] == "one.yaml:2:1: object has no apiVersion (rendered, the line is: kind: X)"
    assert found[2].startswith("two.yaml:3:7: ") and "a: {{ nothing }}" in found[2]
    assert found[3].startswith("services.yaml:2:76: gone.yaml: no such file")
    assert found[4].startswith("three.yaml:3:5: not valid YAML")
    assert len(found) == 5


def test_the_same_object_twice_is_a_fault_that_names_both(tmp_path: Path) -> None:
    services = """
        project: shop
        infrastructure: [{name: one, manifests: [{path: a.yaml}]}]
        services: [{name: two, manifests: [{path: a.yaml}]}]
        """
    with pytest.raises(InvalidStack, match="ConfigMap/a in shop-dev is rendered twice: by 'one' and by 'two'"):
        render(load(tmp_path, services, a_yaml=OBJECT))


MOUNT = """
    project: shop
    registry: "{{ %s }}"
    services:
      - name: api
        overlays: {dev: {pvcMounts: [{name: d, claimName: data, mountPath: /d}]}}
    """


def test_a_mount_of_a_claim_that_nobody_makes_is_a_fault_in_jinja_and_a_warning_in_go(tmp_path: Path) -> None:
    with pytest.raises(InvalidStack, match=r"services.yaml:5:.*no manifest makes the volume claim 'data'"):
        render(load(tmp_path, MOUNT % "env"))
    warnings = render(load(tmp_path, MOUNT % ".Env")).warnings
    assert [warning.line for warning in warnings] == [5]


def test_a_claim_that_a_variable_names_may_come_from_elsewhere(tmp_path: Path) -> None:
    from codexctl_ci.stack.variables import Inputs

    inputs = Inputs(environ={"CODEXCTL_DATA_PVC": "data"})
    assert render(load(tmp_path, MOUNT % "env", inputs=inputs)).items[0].name == "api"


def test_filters_dont_make_claims_of_what_they_leave_out_missing(tmp_path: Path) -> None:
    from codexctl_ci.stack.selection import Selection

    project = load(tmp_path, MOUNT % "env")
    assert render(project, Selection(only_services=("api",))).items[0].name == "api"
