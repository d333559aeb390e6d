"""What a stack asks of its cluster: storage, somebody who serves its Ingresses, a volume for sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.doctor import Finding, Level
from codexctl_ci.operations.doctor_cluster import Stack
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_INGRESS_CLASS = ("networking.k8s.io/v1", "IngressClass")
_DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class"


def storage(cluster: ClusterApi, stacks: Iterable[Stack]) -> Iterator[Finding]:
    """Whether the classes exist that volume claims ask for."""
    claims = [m for stack in stacks for m in stack.manifests if m["kind"] == "PersistentVolumeClaim"]
    classes = {item["metadata"]["name"]: item for item in cluster.list("storage.k8s.io/v1", "StorageClass").items}
    named = {str((claim.get("spec") or {}).get("storageClassName") or "") for claim in claims}
    missing = sorted(name for name in named if name and name not in classes)
    default = any(
        (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true" for item in classes.values()
    )
    if missing:
        have = ", ".join(sorted(classes)) or "none"
        advice = f"set CODEXCTL_STORAGE_CLASS_WORKSPACE and its like to one of: {have}"
        yield Finding("cluster", "storage", Level.FAIL, f"no StorageClass {', '.join(missing)}", advice)
    elif "" in named and not default:
        advice = "mark one as default, or name one in CODEXCTL_STORAGE_CLASS_WORKSPACE"
        yield Finding("cluster", "storage", Level.FAIL, "volume claims name no class, and there is no default", advice)
    else:
        yield Finding("cluster", "storage", Level.OK, f"{len(claims)} claims, classes {', '.join(sorted(classes))}")


def ingress(cluster: ClusterApi, stacks: Iterable[Stack]) -> Iterator[Finding]:
    """Whether something serves the Ingresses of the stack."""
    what = "ingress"
    asked = [m for stack in stacks for m in stack.manifests if m["kind"] == "Ingress"]
    if not asked:
        yield Finding(
            "cluster", what, Level.OK, "the stack has none: environments are reachable inside the cluster only"
        )
        return
    try:
        classes = {item["metadata"]["name"]: item for item in cluster.list(*_INGRESS_CLASS).items}
    except ApiError as error:
        if error.status != 403:
            raise
        advice = "kubectl get ingressclass"
        yield Finding("cluster", what, Level.SKIP, "this account may not list ingress classes", advice)
        return
    named = {_class_of(manifest) for manifest in asked}
    missing = sorted(name for name in named if name and name not in classes)
    default = any(
        (item["metadata"].get("annotations") or {}).get(_DEFAULT_INGRESS) == "true" for item in classes.values()
    )
    have = ", ".join(sorted(classes)) or "none"
    if missing:
        advice = f"install its controller, or name one of: {have}"
        yield Finding("cluster", what, Level.FAIL, f"no IngressClass {', '.join(missing)}", advice)
    elif "" in named and not default:
        advice = f"name one in spec.ingressClassName, or mark one as default; there are: {have}"
        yield Finding("cluster", what, Level.WARN, "Ingresses name no class, and there is no default", advice)
    else:
        yield Finding("cluster", what, Level.OK, f"{len(asked)} Ingresses, classes {have}")


def _class_of(manifest: Manifest) -> str:
    old = (manifest["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
    return str((manifest.get("spec") or {}).get("ingressClassName") or old or "")


def workspace(cluster: ClusterApi, stacks: Iterable[Stack], claim: str) -> Iterator[Finding]:
    """Whether each environment has the volume for sources: in its stack, or in its namespace already."""
    for stack in stacks:
        made = any(m["kind"] == "PersistentVolumeClaim" and m["metadata"]["name"] == claim for m in stack.manifests)
        where = f"workspace of {stack.env}"
        if made:
            yield Finding("cluster", where, Level.OK, f"claim {claim} is part of the stack")
            continue
        ref = Ref("v1", "PersistentVolumeClaim", claim, stack.namespace)
        if not stack.slot and cluster.get(ref) is not None:
            yield Finding("cluster", where, Level.OK, f"claim {claim} is there")
        else:
            advice = "add it to an infrastructure group, or name yours in CODEXCTL_WORKSPACE_PVC"
            yield Finding("cluster", where, Level.FAIL, f"nobody makes the claim {claim}", advice)
