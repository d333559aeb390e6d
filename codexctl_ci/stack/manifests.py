"""Kubernetes objects from the text of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from codexctl_ci.errors import Finding, InvalidStack
from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.yaml_nodes import Builder, compose_all, place_of


def parse_manifests(text: str, file: str) -> list[Manifest]:
    """The objects in rendered ``text``, lists taken apart, empty documents left out.

    Raises InvalidStack with every fault: no YAML, duplicate keys, no apiVersion, kind or name.
    """
    found: list[Manifest] = []
    findings: list[Finding] = []
    for node in compose_all(text, file):
        builder = Builder(file)
        data = builder.build(node)
        place = place_of(node)
        problems = [Finding(problem, file, place.line, place.column) for problem in _problems(data)]
        findings += [*builder.findings, *problems]
        if not problems:
            found += _objects(data)
    if findings:
        raise InvalidStack(findings)
    return found


def _objects(data: Manifest) -> Iterator[Manifest]:
    if _is_list(data):
        for item in data["items"]:
            yield from _objects(item)
    else:
        yield data


def _is_list(data: Manifest) -> bool:
    return str(data.get("kind")).endswith("List") and isinstance(data.get("items"), list)


def _problems(data: Any) -> Iterator[str]:
    if not isinstance(data, dict):
        yield "is no Kubernetes object: not a mapping"
        return
    if _is_list(data):
        for item in data["items"]:
            yield from _problems(item)
        return
    kind = data.get("kind")
    for key in ("apiVersion", "kind"):
        if not isinstance(data.get(key), str) or not data[key]:
            yield f"object has no {key}"
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        yield f"{kind or 'object'} has no metadata.name" + ("" if name in (None, "") else f" that is text: {name!r}")


def set_namespaces(manifests: list[Manifest], namespace: str, namespaced: Callable[[str, str], bool | None]) -> None:
    """Put namespaced objects that name no namespace into ``namespace``, and take it off cluster-scoped ones."""
    for manifest in manifests:
        metadata = manifest["metadata"]
        if namespaced(manifest["apiVersion"], manifest["kind"]) is False:
            metadata.pop("namespace", None)
        elif not metadata.get("namespace"):
            metadata["namespace"] = namespace
