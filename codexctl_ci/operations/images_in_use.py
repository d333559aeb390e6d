"""Which images the objects of a namespace name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import items, mapping, status

_KINDS = (
    ("v1", "Pod", ()),
    ("apps/v1", "Deployment", ("template",)),
    ("apps/v1", "StatefulSet", ("template",)),
    ("apps/v1", "DaemonSet", ("template",)),
    # A roll-back goes to one of these.
    ("apps/v1", "ReplicaSet", ("template",)),
    ("v1", "ReplicationController", ("template",)),
    ("batch/v1", "Job", ("template",)),
    ("batch/v1", "CronJob", ("jobTemplate", "spec", "template")),
)


def images_in_use(cluster: ClusterApi, namespace: str) -> frozenset[str]:
    """Images by tag or digest that run in ``namespace`` or that its workloads would start.

    Raises ApiError where that can't be seen: what is not seen must not count as unused.
    """
    found: set[str] = set()
    for api_version, kind, path in _KINDS:
        for manifest in cluster.list(api_version, kind, namespace).items:
            spec = mapping(manifest.get("spec"))
            for step in path:
                spec = mapping(spec.get(step))
            found.update(_named(mapping(spec.get("spec")) if path else spec))
            # What a tag meant when the container began.
            for each in [*items(status(manifest).get("containerStatuses")), *_more_states(manifest)]:
                found.add(str(each.get("imageID") or "").rpartition("://")[2])
    return frozenset(found - {""})


def _named(spec: Any) -> Iterator[str]:
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for container in items(spec.get(part)):
            yield str(container.get("image") or "")


def _more_states(manifest: Any) -> Iterator[Any]:
    yield from items(status(manifest).get("initContainerStatuses"))
