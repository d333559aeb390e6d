"""What services.yaml changes in a service's objects: image, mounts, kinds, pull policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from codexctl_ci.stack.kinds import WORKLOADS
from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.schema import HostMount, Overlay, PvcMount, ServiceSpec
from codexctl_ci.templating.dialect import Dialect


def apply_service(manifests: list[Manifest], service: ServiceSpec, env: str, dialect: Dialect) -> list[Manifest]:
    """The objects of ``service`` with its image and the overlay of ``env`` put in; dropped kinds are gone.

    Jinja dialect: the workload that carries the service's name, its first container and init containers that had
    the same image; mounts go there too. Go dialect: every Deployment, init containers without an image too; mounts
    into the first container and all init containers.
    """
    overlay = service.overlays.get(env, Overlay())
    dropped = {kind.lower() for kind in overlay.drop_kinds}
    kept = [manifest for manifest in manifests if str(manifest.get("kind", "")).lower() not in dropped]
    for manifest in kept:
        pod = pod_spec(manifest) if _is_own(manifest, service.name, dialect) else None
        if pod is not None:
            changed = _own_containers(pod, dialect)
            if service.image is not None:
                for container in changed:
                    container["image"] = service.image.reference
            if dialect is Dialect.GO:
                changed = [*_dicts(pod, "containers")[:1], *_dicts(pod, "initContainers")]
            _add_mounts(pod, changed, list(_mounts(overlay.pvc_mounts, overlay.host_mounts)))
    return kept


def set_pull_policy(manifests: Iterable[Manifest], policy: str) -> None:
    """Give ``policy`` to every container of a workload that has none of its own."""
    for manifest in manifests:
        pod = pod_spec(manifest)
        for container in (*_dicts(pod, "initContainers"), *_dicts(pod, "containers")) if pod else ():
            if not container.get("imagePullPolicy"):
                container["imagePullPolicy"] = policy


def pod_spec(manifest: Manifest) -> dict[str, Any] | None:
    """The pod template's spec of a workload (or a Pod's own), None for other kinds."""
    kind = manifest.get("kind")
    path = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}.get(
        str(kind), ("spec", "template", "spec")
    )
    if kind != "Pod" and kind not in WORKLOADS and kind != "ReplicaSet":
        return None
    here: Any = manifest
    for key in path:
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else None


def _is_own(manifest: Manifest, service: str, dialect: Dialect) -> bool:
    if dialect is Dialect.GO:
        return manifest.get("kind") == "Deployment"
    name = (manifest.get("metadata") or {}).get("name")
    return manifest.get("kind") in WORKLOADS and name == service


def _dicts(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [item for item in holder.get(key) or () if isinstance(item, dict)]


def _own_containers(pod: dict[str, Any], dialect: Dialect) -> list[dict[str, Any]]:
    """The first container, and the init containers that have its image."""
    first = _dicts(pod, "containers")[:1]
    images = {first[0].get("image") if first else None}
    if dialect is Dialect.GO:
        images |= {None, ""}
    return first + [container for container in _dicts(pod, "initContainers") if container.get("image") in images]


def _add_mounts(
    pod: dict[str, Any],
    containers: list[dict[str, Any]],
    mounts: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    names = {volume["name"] for volume, _ in mounts}
    if not names:
        return
    volumes = {volume["name"]: volume for volume, _ in mounts}
    pod["volumes"] = [volume for volume in _dicts(pod, "volumes") if volume.get("name") not in names]
    pod["volumes"] += volumes.values()
    for container in containers:
        kept = [mount for mount in _dicts(container, "volumeMounts") if mount.get("name") not in names]
        container["volumeMounts"] = kept + [dict(mount) for _, mount in mounts]


def _mounts(
    claims: Iterable[PvcMount], folders: Iterable[HostMount]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for claim in claims:
        source: dict[str, Any] = {"claimName": claim.claim_name}
        mount: dict[str, Any] = {"name": claim.name, "mountPath": claim.mount_path}
        if claim.sub_path:
            mount["subPath"] = claim.sub_path
        if claim.read_only:
            mount["readOnly"] = True
        yield {"name": claim.name, "persistentVolumeClaim": source}, mount
    for folder in folders:
        yield (
            {"name": folder.name, "hostPath": {"path": folder.host_path}},
            {"name": folder.name, "mountPath": folder.mount_path},
        )
