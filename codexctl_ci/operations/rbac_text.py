"""Rights that are missing, as RBAC objects that an administrator can paste."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from codexctl_ci.operations.preflight import Right
from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.yaml_text import to_yaml

_API = "rbac.authorization.k8s.io"
_NAME = "codexctl-missing-rights"
_ACCOUNT = "system:serviceaccount:"


def rbac_yaml(missing: Iterable[Right], user: str, *, absent: Iterable[str] = ()) -> str:
    """Roles that give ``user`` (as the API server calls it) all that is missing, and their bindings.

    ``absent`` are namespaces that have to be made before. What was pasted earlier, or for another project, keeps its
    name and so its rules.
    """
    by_place: dict[str, list[Right]] = {}
    for right in sorted(missing):
        by_place.setdefault(right.namespace, []).append(right)
    objects: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(absent)
    ]
    for namespace, rights in by_place.items():
        kind = "Role" if namespace else "ClusterRole"
        name = f"{_NAME}-{_mark(user, rights)}"
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        head = {"apiVersion": f"{_API}/v1", "metadata": metadata}
        objects.append({**head, "kind": kind, "rules": _rules(rights)})
        role = {"apiGroup": _API, "kind": kind, "name": name}
        objects.append({**head, "kind": f"{kind}Binding", "roleRef": role, "subjects": [_subject(user)]})
    return to_yaml(objects)


def bind_yaml(role: str, user: str) -> str:
    """What lets ``user`` hand out the ClusterRole ``role``."""
    name = f"codexctl-bind-{role}-{_mark(user)}"
    head = {"apiVersion": f"{_API}/v1", "metadata": {"name": name}}
    rule = {"apiGroups": [_API], "resources": ["clusterroles"], "resourceNames": [role], "verbs": ["get", "bind"]}
    binding = {"roleRef": {"apiGroup": _API, "kind": "ClusterRole", "name": name}, "subjects": [_subject(user)]}
    return to_yaml(
        [{**head, "kind": "ClusterRole", "rules": [rule]}, {**head, "kind": "ClusterRoleBinding", **binding}]
    )


def _mark(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]


def resource(kind: str) -> str:
    """The resource of a kind (``Pod/exec``: of its part), named as the API does for all kinds that Kubernetes has."""
    kind, slash, part = kind.partition("/")
    name = kind.lower()
    if name.endswith("endpoints"):
        plural = name
    elif name.endswith(("s", "x", "ch")):
        plural = f"{name}es"
    elif name.endswith("y") and name[-2:-1] not in "aeiou":
        plural = f"{name[:-1]}ies"
    else:
        plural = f"{name}s"
    return plural + slash + part


def _rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        group = right.api_version.rpartition("/")[0]
        verbs.setdefault((group, resource(right.kind)), []).append(right.verb)
    return [{"apiGroups": [group], "resources": [name], "verbs": given} for (group, name), given in verbs.items()]


def _subject(user: str) -> dict[str, str]:
    if user.startswith(_ACCOUNT):
        namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": _API, "kind": "User", "name": user}
