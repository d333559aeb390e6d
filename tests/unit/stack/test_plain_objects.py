"""What can be judged without asking the API."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.stack.plain_objects import plainly_valid


def plain(kind: str, meta: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"} | (meta or {})} | body


@pytest.mark.parametrize(
    "manifest",
    [
        plain("ConfigMap", data={"a.txt": "x", "B_c": ""}),
        plain(
            "ConfigMap", {"labels": {"app.kubernetes.io/name": "x", "empty": ""}, "annotations": {"note": "any text"}}
        ),
        plain("Secret", data={"a": "YQ=="}, type="Opaque"),
        plain("Secret", stringData={"a": "x"}),
        plain("ServiceAccount", automountServiceAccountToken=False),
    ],
)
def test_ordinary_objects_pass(manifest: dict[str, Any]) -> None:
    assert plainly_valid(manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        plain("ConfigMap", data={"a": 1}),
        plain("ConfigMap", data={"a/b": "x"}),
        plain("ConfigMap", data={"..": "x"}),
        plain("ConfigMap", data=["x"]),
        plain("ConfigMap", daat={"a": "x"}),
        plain("ConfigMap", data={"a": "x" * 2_000_000}),
        plain("ConfigMap", immutable=True),
        plain("ConfigMap", {"name": "Upper"}),
        plain("ConfigMap", {"name": "a" * 254}),
        plain("ConfigMap", {"name": "a\n"}),
        plain("ConfigMap", {"labels": {"a": "not a label"}}),
        plain("ConfigMap", {"labels": {"a": 1}}),
        plain("ConfigMap", {"labels": {"a": "x" * 64}}),
        plain("ConfigMap", {"annotations": {"a": True}}),
        plain("ConfigMap", {"finalizers": ["x"]}),
        plain("Secret", data={"a": "not base64!"}),
        plain("Secret", data={}, type="kubernetes.io/tls"),
        plain("ServiceAccount", secrets=[{"name": "x"}]),
        plain("Deployment"),
        plain("ConfigMap") | {"apiVersion": "v2"},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    ],
)
def test_anything_else_is_for_the_api_to_judge(manifest: dict[str, Any]) -> None:
    assert not plainly_valid(manifest)
