"""The pod that the agent runs in: that of the stack's Deployment ``codex``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from codexctl_ci.codex.places import PodPlace, last_termination
from codexctl_ci.errors import ConfigError, NotReady
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger(__name__)

SERVICE = "codex"
_WAIT = timedelta(minutes=3)


def find_agent_place(cluster_of: Callable[[], ClusterApi], namespace: str, *, wait: timedelta = _WAIT) -> PodPlace:
    """The newest running pod of the Deployment ``codex``, waited for. ``cluster_of``: see PodPlace.

    Raises ConfigError where there is no such Deployment, NotReady where none of its pods runs in time.
    """
    cluster = cluster_of()
    deployment = cluster.get(Ref("apps/v1", "Deployment", SERVICE, namespace))
    if deployment is None:
        raise ConfigError(
            f"there is no Deployment {SERVICE} for the agent to run in",
            where=f"namespace {namespace}",
            hint=f"add a service named {SERVICE} to services.yaml (examples/ has one), deploy it, "
            "or choose --executor runner",
        )
    labels = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    listing = cluster.list("v1", "Pod", namespace, labels=selector)
    pods = {pod["metadata"]["name"]: pod for pod in listing.items}
    found = _running(pods)
    if found is None:
        log.info("waiting for a pod of Deployment/%s in %s", SERVICE, namespace)
        watch = cluster.watch(
            "v1", "Pod", namespace, since=listing.resource_version, labels=selector, timeout=wait, known=listing.items
        )
        try:
            for change in watch:
                name = change.object["metadata"]["name"]
                if change.kind == "DELETED":
                    pods.pop(name, None)
                else:
                    pods[name] = change.object
                if (found := _running(pods)) is not None:
                    break
        finally:
            watch.close()
    if found is None:
        raise NotReady(
            "no pod for the agent is running",
            obj=f"Deployment/{SERVICE} in {namespace}",
            reason="; ".join(_trouble(pod) for pod in pods.values()) or "it has no pods",
        )
    container = _container(found)
    return PodPlace(cluster_of, namespace, found["metadata"]["name"], found["metadata"]["uid"], container)


def _running(pods: dict[str, Manifest]) -> Manifest | None:
    usable = [pod for pod in pods.values() if _usable(pod)]
    return max(usable, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), default=None)


def _usable(pod: Manifest) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    name = _container(pod)
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if status.get("name") == name:
            return "running" in (status.get("state") or {})
    return False


def _container(pod: Manifest) -> str:
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    return SERVICE if SERVICE in names else names[0]


def _trouble(pod: Manifest) -> str:
    status: dict[str, Any] = pod.get("status") or {}
    words = [f"{pod['metadata']['name']} is {status.get('phase') or 'unknown'}"]
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            words.append(str(waiting["reason"]))
    if ended := last_termination(pod, _container(pod)):
        words.append(ended)
    return ", ".join(words)
