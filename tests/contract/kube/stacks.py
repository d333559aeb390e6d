"""Small stacks for the tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from codexctl_ci.operations.apply import ApplyOptions
from codexctl_ci.operations.apply_object import Tries
from codexctl_ci.stack.objects import Manifest, Ref

IMAGE = "busybox:1.37.0"


@dataclass(frozen=True)
class Item:
    name: str
    manifests: tuple[Manifest, ...]
    turn: int = 0


@dataclass(frozen=True)
class Layer:
    name: str
    items: tuple[Item, ...]


@dataclass
class Waits:
    """A ``wait`` that only notes what it is asked for."""

    asked: list[list[Ref]] = field(default_factory=list)

    def __call__(self, refs: Any) -> None:
        self.asked.append(list(refs))


def layer(*manifests: Manifest, name: str = "all") -> Layer:
    return Layer(name, (Item("things", manifests),))


def options(namespace: str, **more: Any) -> ApplyOptions:
    tries = Tries(retries=2, backoff=timedelta(milliseconds=50))
    values: dict[str, Any] = {"environment": "dev", "namespace": namespace, "tries": tries} | more
    return ApplyOptions(**values)


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def service(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "protocol": "TCP"}]},
    }


def claim(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }


def pod_template(name: str, *command: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": IMAGE}
    if command:
        container["command"] = list(command)
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def deployment(name: str, replicas: int | None = 0, **env: str) -> Manifest:
    template = pod_template(name)
    template["spec"]["containers"][0]["env"] = [{"name": key, "value": value} for key, value in env.items()]
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str, *command: str) -> Manifest:
    template = pod_template(name, *command)
    template["spec"]["restartPolicy"] = "Never"
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}}


def stack_of_42() -> list[Manifest]:
    """The mix of a web project: workloads, services, configuration, secrets, roles, claims."""
    found: list[Manifest] = []
    for number in range(7):
        name = f"svc-{number}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        found += [
            account,
            config_map(name, setting="x" * 400),
            secret(name, password="y" * 40),
            service(name),
            deployment(name, 0, SETTING="1"),
            claim(name),
        ]
    return found
