"""What the cluster says: is it there, may we do what commands do, is what stacks need installed?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.doctor import Finding, Level
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.preflight import OLDEST, Right, needed_rights
from codexctl_ci.operations.slot_access import FALLBACK_ROLE, ROLE
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.leases import MANAGED_BY, PROJECT, TOOL
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

_LEASES, _RBAC = "coordination.k8s.io/v1", "rbac.authorization.k8s.io/v1"
_RUNNER_SETS = ("actions.github.com/v1alpha1", "AutoscalingRunnerSet")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True)
class Stack:
    """One environment as rendered. ``slot`` is whether it lives in a namespace that is made for it."""

    env: str
    namespace: str
    manifests: Sequence[Manifest]
    slot: bool = False


def version(cluster: ClusterApi) -> Iterator[Finding]:
    """Whether the cluster answers."""
    found = cluster.server_version()
    numbers = [int(part) for part in found.lstrip("v").split(".")[:2] if part.isdigit()]
    if tuple(numbers) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("cluster", "version", Level.WARN, f"Kubernetes {found}", f"{oldest} or newer is tested")
    else:
        yield Finding("cluster", "version", Level.OK, f"Kubernetes {found}")


def slot_rights(state: str, *, go_records: bool) -> list[Right]:
    """The rights that leasing, preparing and tearing down slots takes. ``state``: the records' namespace."""
    rights = [
        Right(verb, _LEASES, "Lease", state) for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
    ]
    if go_records:
        rights += [Right(verb, "v1", "ConfigMap", state) for verb in ("get", "list", "create", "patch", "delete")]
    rights += [Right(verb, "v1", "Namespace", "") for verb in ("get", "list", "watch", "create", "delete")]
    rights += [
        Right("create", "v1", "ServiceAccount", ""),
        Right("create", "v1", "ServiceAccount/token", ""),
        Right("create", _RBAC, "RoleBinding", ""),
    ]
    return rights


def rights(cluster: ClusterApi, stacks: Iterable[Stack], state: str, *, go_records: bool) -> Iterator[Finding]:
    """Whether our identity has them all: those for slots, and those that each stack's objects take.

    Inside a slot its own account works, so that only what lies outside of it counts there.
    """
    wanted = set(slot_rights(state, go_records=go_records))
    for stack in stacks:
        refs = [ref_of(manifest) for manifest in stack.manifests]
        inside = stack.namespace if stack.slot else ""
        needed = needed_rights([ref for ref in refs if not (inside and ref.namespace == inside)], stack.namespace)
        wanted |= {right for right in needed if not (inside and right.namespace == inside)}
    asked = sorted(wanted)
    missing = [right for right, given in zip(asked, each(asked, lambda r: _has(cluster, r)), strict=True) if not given]
    if missing:
        listed = "; ".join(str(right) for right in missing[:12]) + ("; …" if len(missing) > 12 else "")
        advice = "examples/cluster/runner.yaml gives the runner's account what it needs; bind the rest for your stack"
        yield Finding("cluster", "rights", Level.FAIL, f"{len(missing)} of {len(asked)} are missing: {listed}", advice)
    else:
        yield Finding("cluster", "rights", Level.OK, f"all {len(asked)} are there")
    yield from _deployer(cluster)


def _deployer(cluster: ClusterApi) -> Iterator[Finding]:
    """The role of the account that works in a slot, and whether we may hand it out."""
    try:
        role = ROLE if cluster.get(Ref(_RBAC, "ClusterRole", ROLE)) else FALLBACK_ROLE
    except ApiError as error:
        if error.status != 403:
            raise
        role = ROLE
    if role == FALLBACK_ROLE:
        advice = "apply examples/cluster/runner.yaml"
        yield Finding("cluster", "slots' role", Level.WARN, f"ClusterRole {ROLE} is not there: {role} is taken", advice)
    if not cluster.may("bind", _RBAC, "ClusterRole", name=role):
        advice = f"allow the verb bind on ClusterRole {role} for the runner's account"
        yield Finding("cluster", "slots' role", Level.FAIL, f"we may not bind ClusterRole {role}", advice)
    elif role == ROLE:
        yield Finding("cluster", "slots' role", Level.OK, f"ClusterRole {role}")


def _has(cluster: ClusterApi, right: Right) -> bool:
    if cluster.namespaced(right.api_version, right.kind.partition("/")[0]) is None:
        return True
    return cluster.may(right.verb, right.api_version, right.kind, right.namespace)


def admission(cluster: ClusterApi, project: str, slot_namespace: str) -> Iterator[Finding]:
    """Whether something keeps us to namespaces of the project: tried out with dry runs. ``slot_namespace`` is that of a
    slot that is not in use."""
    what = "admission policy"
    if not _would_make(cluster, slot_namespace, project):
        advice = "look at the admission policies that match the runner's account"
        yield Finding("cluster", what, Level.FAIL, f"namespace {slot_namespace} would be refused", advice)
    elif _would_make(cluster, f"not-{project}-doctor", project):
        advice = "RBAC can't limit names: apply the ValidatingAdmissionPolicy of examples/cluster/runner.yaml"
        yield Finding("cluster", what, Level.WARN, "our account could make namespaces of any name", advice)
    else:
        yield Finding("cluster", what, Level.OK, "namespaces outside of the project are refused")


def _would_make(cluster: ClusterApi, name: str, project: str) -> bool:
    labels = {MANAGED_BY: TOOL, PROJECT: project}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    try:
        cluster.apply(manifest, dry_run=True)
    except ApiError as error:
        if error.status in (403, 422):
            return False
        raise
    return True


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


def runner_capacity(cluster: ClusterApi) -> int | None:
    """How many runners the cluster's scale sets may have together; None where that can't be seen."""
    if cluster.namespaced(*_RUNNER_SETS) is None:
        return None
    try:
        sets = cluster.list(*_RUNNER_SETS).items
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    if not sets:
        return None
    return sum(int((item.get("spec") or {}).get("maxRunners") or 1_000_000) for item in sets)
