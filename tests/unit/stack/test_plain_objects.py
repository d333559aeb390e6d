"""What can be judged without asking the API."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.stack.plain_objects import plainly_valid


def plain(kind: str, meta: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"} | (meta or {})} | body


def service(*ports: Any, name: str = "a", **spec: Any) -> dict[str, Any]:
    return plain("Service", {"name": name}, spec={"selector": {"app": "x"}, "ports": list(ports)} | spec)


ORDINARY = [
    plain("ConfigMap", data={"a.txt": "x", "B_c": ""}),
    plain("ConfigMap", {"labels": {"app.kubernetes.io/name": "x", "empty": ""}, "annotations": {"note": "any text"}}),
    plain("Secret", data={"a": "YQ=="}, type="Opaque"),
    plain("Secret", stringData={"a": "x"}),
    plain("ServiceAccount", automountServiceAccountToken=False),
    service({"port": 80}),
    service({"port": 80, "targetPort": "http", "protocol": "TCP", "name": "http"}, clusterIP="None"),
    service({"port": 1, "name": "a-1-b"}, {"port": 65535, "name": "b", "targetPort": 8080}, type="ClusterIP"),
    service({"port": 53, "name": "dns", "protocol": "UDP"}, {"port": 53, "name": "dns-tcp"}, name="a" + "b" * 62),
    service({"port": 80, "targetPort": "a1-b2-c3-d4-e5f"}, selector={}),
]
"""What the API accepts; tried on a real one too."""


@pytest.mark.parametrize("manifest", ORDINARY)
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
        service(),
        service({"port": 0}),
        service({"port": True}),
        service({"port": "80"}),
        service({"port": 70_000}),
        service({"port": 80, "nodePort": 30_000}),
        service({"port": 80, "protocol": "tcp"}),
        service({"port": 80, "targetPort": "1234"}),
        service({"port": 80, "targetPort": "a--b"}),
        service({"port": 80, "targetPort": "a" * 16}),
        service({"port": 80, "name": "Http"}),
        service({"port": 80}, {"port": 81}),
        service({"port": 80, "name": "a"}, {"port": 81, "name": "a"}),
        service({"port": 80, "name": "a"}, {"port": 80, "name": "b"}),
        service({"port": 80}, type="LoadBalancer"),
        service({"port": 80}, clusterIP="10.0.0.1"),
        service({"port": 80}, externalName="x"),
        service({"port": 80}, selector={"a": "not a label"}),
        service({"port": 80}, name="a.b"),
        service({"port": 80}, name="1a"),
        service({"port": 80}, name="a" * 64),
        plain("Service", spec=[]),
        plain("Service"),
        plain("ConfigMap") | {"apiVersion": "v2"},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    ],
)
def test_anything_else_is_for_the_api_to_judge(manifest: dict[str, Any]) -> None:
    assert not plainly_valid(manifest)
