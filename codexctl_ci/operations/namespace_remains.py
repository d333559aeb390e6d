"""What keeps a namespace from going: objects with finalizers that nobody takes off."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from codexctl_ci.errors import CodexctlError
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger(__name__)

_KINDS = (
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "Ingress"),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """An object with the finalizers that somebody must take off before it goes."""

    ref: Ref
    finalizers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.ref.kind}/{self.ref.name} has finalizer {', '.join(self.finalizers)}"


def holders_in(cluster: ClusterApi, namespace: str) -> tuple[Holder, ...]:
    """Objects of the usual kinds that have finalizers. What may not be listed is left out."""

    def look(kind: tuple[str, str]) -> list[Holder]:
        try:
            items = cluster.list(*kind, namespace).items
        except CodexctlError as error:
            log.debug("cannot list %s in %s: %s", kind[1], namespace, error)
            return []
        return [
            Holder(ref_of(item), tuple(item["metadata"]["finalizers"]))
            for item in items
            if item["metadata"].get("finalizers")
        ]

    with ThreadPoolExecutor(len(_KINDS), "remains") as pool:
        return tuple(holder for found in pool.map(look, _KINDS) for holder in found)


def what_holds(namespace: Manifest, holders: tuple[Holder, ...]) -> str:
    """Why the namespace doesn't go, in words: objects and finalizers, else what the namespace's conditions say."""
    conditions = (namespace.get("status") or {}).get("conditions") or []
    told = [
        str(condition.get("message"))
        for condition in conditions
        if condition.get("status") == "True" and str(condition.get("type", "")).startswith("Namespace")
    ]
    named = [holder for holder in holders if any(name in text for text in told for name in holder.finalizers)]
    parts = [str(holder) for holder in (named or holders)[:10]]
    own = (namespace["metadata"].get("finalizers")) or []
    parts += [f"the namespace itself has finalizer {', '.join(own)}"] if own else []
    return "; ".join([*parts, *told]) or "the API does not tell why"
