"""Objects so plain that they can be judged right here: what passes, the API accepts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from codexctl_ci.stack.objects import Manifest

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PORT_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LARGEST = 512 * 1024
_META = {"name", "namespace", "labels", "annotations"}


def plainly_valid(manifest: Manifest) -> bool:
    """Whether the API would surely accept this ConfigMap, Secret, ServiceAccount or Service as a new object.

    False says nothing: other kinds, and anything out of the ordinary, are for the API itself to judge.
    """
    if manifest.get("apiVersion") != "v1" or not _plain_meta(manifest.get("metadata")):
        return False
    body = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    kind = manifest.get("kind")
    if kind == "ServiceAccount":
        return all(key == "automountServiceAccountToken" and isinstance(value, bool) for key, value in body.items())
    if kind == "ConfigMap":
        return set(body) <= {"data"} and _texts(body.get("data"))
    if kind == "Secret":
        opaque = body.pop("type", "Opaque") == "Opaque"
        return (
            opaque
            and set(body) <= {"data", "stringData"}
            and _texts(body.get("stringData"))
            and _texts(body.get("data"))
            and all(_is_base64(value) for value in (body.get("data") or {}).values())
        )
    return kind == "Service" and set(body) == {"spec"} and _plain_service(manifest["metadata"], body["spec"])


def _plain_service(meta: Mapping[str, Any], spec: Any) -> bool:
    if not isinstance(spec, Mapping) or not set(spec) <= {"selector", "ports", "clusterIP", "type"}:
        return False
    selector, ports = spec.get("selector"), spec.get("ports")
    return (
        _fits(_SERVICE_NAME, meta["name"], 63)
        and spec.get("type", "ClusterIP") == "ClusterIP"
        and spec.get("clusterIP", "None") == "None"
        and isinstance(selector, Mapping)
        and all(_key(key) and _fits(_LABEL, value, 63) for key, value in selector.items())
        and isinstance(ports, list)
        and bool(ports)
        and all(_plain_port(port, named=len(ports) > 1) for port in ports)
        and len({port.get("name") for port in ports}) == len(ports)
        and len({(port["port"], port.get("protocol", "TCP")) for port in ports}) == len(ports)
    )


def _plain_port(port: Any, named: bool) -> bool:
    return (
        isinstance(port, Mapping)
        and set(port) <= {"name", "port", "targetPort", "protocol"}
        and _is_port(port.get("port"))
        and port.get("protocol", "TCP") in ("TCP", "UDP", "SCTP")
        and ("name" in port or not named)
        and _fits(_SERVICE_NAME, port.get("name", "a"), 15)
        and (_is_port(port.get("targetPort", 1)) or _fits(_PORT_NAME, port.get("targetPort"), 15))
    )


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535


def _plain_meta(meta: Any) -> bool:
    if not isinstance(meta, Mapping) or not set(meta) <= _META:
        return False
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    return (
        _fits(_NAME, meta.get("name"), 253)
        and isinstance(labels, Mapping)
        and isinstance(notes, Mapping)
        and all(_key(key) and _fits(_LABEL, value, 63) for key, value in labels.items())
        and all(_key(key) and isinstance(value, str) and len(value) < 65536 for key, value in notes.items())
        and len(notes) < 4
    )


def _key(text: Any) -> bool:
    return _fits(_LABEL_KEY, text, 253) and len(str(text).rpartition("/")[2]) <= 63


def _texts(values: Any) -> bool:
    if values is None:
        return True
    return (
        isinstance(values, Mapping)
        and all(_fits(_DATA_KEY, key, 253) and not key.startswith("..") and key != "." for key in values)
        and all(isinstance(value, str) for value in values.values())
        and sum(len(value.encode()) for value in values.values()) < _LARGEST
    )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _fits(pattern: re.Pattern[str], text: Any, longest: int) -> bool:
    return isinstance(text, str) and len(text) <= longest and pattern.fullmatch(text) is not None
