"""Do the objects of a stack find each other? References to things that nobody makes, before a cluster finds out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codexctl_ci.stack.kinds import WORKLOADS
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from codexctl_ci.stack.overlays import pod_spec

_BUILT_IN_ROLES = frozenset({"admin", "edit", "view", "cluster-admin"})


@dataclass(frozen=True, order=True)
class Dangling:
    """``owner`` refers to ``kind`` ``name``, which nobody makes; ``where`` says in which field."""

    owner: Ref
    kind: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.owner}: {self.where} refers to {self.kind} {self.name!r}, which nobody makes"


def dangling(
    manifests: Iterable[Manifest],
    *,
    images: Collection[str] = (),
    registry: str = "",
    provided: Collection[tuple[str, str]] = (),
) -> list[Dangling]:
    """Every reference to a Service, volume claim, ConfigMap, Secret, ServiceAccount, role or image of ``registry``
    that is neither in ``manifests`` nor in ``images``, and every Service whose selector finds no pod.

    ``provided`` names (kind, name) of objects that come from elsewhere. Optional references may dangle.
    """
    objects = list(manifests)
    made = {(m["kind"], m["metadata"]["name"], m["metadata"].get("namespace", "")) for m in objects}
    made |= {("Secret", name, ns) for name, ns in _certificates(objects)}
    found = []
    for manifest in objects:
        owner = ref_of(manifest)
        for kind, name, where in _references(manifest, registry):
            namespace = "" if kind in ("ClusterRole",) else owner.namespace
            known = (kind, name, namespace) in made or (kind, name) in provided
            if kind == "image":
                known = name in images
            if not known:
                found.append(Dangling(owner, kind, name, where))
    found += _idle_services(objects)
    return sorted(set(found))


def _references(manifest: Manifest, registry: str) -> Iterator[tuple[str, str, str]]:
    spec = manifest.get("spec") or {}
    kind = manifest["kind"]
    pod = pod_spec(manifest)
    if pod is not None:
        yield from _of_pod(pod, registry)
    if kind == "StatefulSet" and spec.get("serviceName"):
        yield "Service", spec["serviceName"], "serviceName"
    if kind == "Ingress":
        yield from _of_ingress(spec)
    if kind in ("RoleBinding", "ClusterRoleBinding"):
        yield from _of_binding(manifest)
    if kind == "ServiceAccount":
        for secret in manifest.get("imagePullSecrets") or ():
            yield "Secret", secret["name"], "imagePullSecrets"


def _of_pod(pod: Mapping[str, Any], registry: str) -> Iterator[tuple[str, str, str]]:
    account = pod.get("serviceAccountName")
    if account and account != "default":
        yield "ServiceAccount", account, "serviceAccountName"
    for secret in pod.get("imagePullSecrets") or ():
        yield "Secret", secret["name"], "imagePullSecrets"
    for volume in pod.get("volumes") or ():
        where = f"volume {volume.get('name')}"
        yield from _of_volume(volume, where)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _of_volume(source, where)
    for container in (*(pod.get("initContainers") or ()), *(pod.get("containers") or ())):
        image = container.get("image", "")
        if registry and image.startswith(registry.rstrip("/") + "/"):
            yield "image", image, f"container {container.get('name')}"
        yield from _of_environment(container)


def _of_volume(volume: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, str]]:
    for key, kind, name in (
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ("secret", "Secret", "secretName" if "secretName" in (volume.get("secret") or {}) else "name"),
        ("configMap", "ConfigMap", "name"),
    ):
        source = volume.get(key)
        if source and not source.get("optional"):
            yield kind, source[name], where


def _of_environment(container: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if key in source and not source[key].get("optional"):
                yield kind, source[key]["name"], f"variable {variable['name']}"
    for source in container.get("envFrom") or ():
        for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if key in source and not source[key].get("optional"):
                yield kind, source[key]["name"], "envFrom"


def _of_ingress(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in backends:
        service = (backend.get("service") or {}).get("name")
        if service:
            yield "Service", service, "backend"
    for entry in spec.get("tls") or ():
        if entry.get("secretName"):
            yield "Secret", entry["secretName"], "tls"


def _of_binding(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    role = manifest["roleRef"]
    if not (role["kind"] == "ClusterRole" and role["name"] in _BUILT_IN_ROLES):
        yield role["kind"], role["name"], "roleRef"
    own = manifest["metadata"].get("namespace", "")
    for subject in manifest.get("subjects") or ():
        if (
            subject["kind"] == "ServiceAccount"
            and subject.get("namespace", own) == own
            and subject["name"] != "default"
        ):
            yield "ServiceAccount", subject["name"], "subjects"


def _certificates(objects: Iterable[Manifest]) -> Iterator[tuple[str, str]]:
    """Secrets that a certificate manager makes: (name, namespace)."""
    for manifest in objects:
        namespace = manifest["metadata"].get("namespace", "")
        if manifest["kind"] == "Certificate":
            yield manifest["spec"]["secretName"], namespace
        annotations = manifest["metadata"].get("annotations") or {}
        if manifest["kind"] == "Ingress" and any(key.startswith("cert-manager.io/") for key in annotations):
            for entry in manifest["spec"].get("tls") or ():
                yield entry.get("secretName", ""), namespace


def _idle_services(objects: Iterable[Manifest]) -> Iterator[Dangling]:
    objects = list(objects)
    pods = []
    for manifest in objects:
        if manifest["kind"] in WORKLOADS - {"Job", "CronJob"}:
            labels = ((manifest["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
            pods.append((manifest["metadata"].get("namespace", ""), labels))
        elif manifest["kind"] == "Pod":
            pods.append((manifest["metadata"].get("namespace", ""), manifest["metadata"].get("labels") or {}))
    for manifest in objects:
        selector = (manifest.get("spec") or {}).get("selector") if manifest["kind"] == "Service" else None
        if selector:
            namespace = manifest["metadata"].get("namespace", "")
            if not any(own == namespace and selector.items() <= labels.items() for own, labels in pods):
                text = ",".join(f"{key}={value}" for key, value in selector.items())
                yield Dangling(ref_of(manifest), "pods with", text, "selector")
