"""What the cluster says: is it there, may we do what commands do, is what stacks need installed?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.doctor import Finding, Level
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.preflight import OLDEST, Right, needed_rights
from codexctl_ci.operations.rbac_text import bind_yaml, rbac_yaml
from codexctl_ci.operations.slot_access import FALLBACK_ROLE, ROLE
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.leases import MANAGED_BY, PROJECT, TOOL
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

_LEASES, _RBAC = "coordination.k8s.io/v1", "rbac.authorization.k8s.io/v1"
_RUNNER_SETS = ("actions.github.com/v1alpha1", "AutoscalingRunnerSet")
_MOST_APART = 30


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


def rights(
    cluster: ClusterApi, project: str, stacks: Iterable[Stack], state: str, *, go_records: bool
) -> Iterator[Finding]:
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
        advice = (
            "examples/cluster/runner.yaml gives the runner's account what it needs; for the rest of your stack, paste"
        )
        words = f"{len(missing)} of {len(asked)} are missing: {listed}"
        places = {right.namespace for right in missing} - {""}
        paste = rbac_yaml(
            missing, whoami(cluster, project), absent=[name for name in places if not _is_there(cluster, name)]
        )
        yield Finding("cluster", "rights", Level.FAIL, words, advice, paste)
    else:
        yield Finding("cluster", "rights", Level.OK, f"all {len(asked)} are there")
    yield from _deployer(cluster, project)


def _deployer(cluster: ClusterApi, project: str) -> Iterator[Finding]:
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
        words = f"we may not bind ClusterRole {role}"
        yield Finding("cluster", "slots' role", Level.FAIL, words, advice, bind_yaml(role, whoami(cluster, project)))
    elif role == ROLE:
        yield Finding("cluster", "slots' role", Level.OK, f"ClusterRole {role}")


def whoami(cluster: ClusterApi, project: str) -> str:
    """Our identity, as the API server calls it; the shipped account of runners where it doesn't tell."""
    shipped = f"system:serviceaccount:{project}-runners:{project}-runner"
    question = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {"name": "doctor"}}
    try:
        status = cluster.create(question).get("status") or {}
    except ApiError:
        status = {}
    return str((status.get("userInfo") or {}).get("username") or shipped)


def _is_there(cluster: ClusterApi, namespace: str) -> bool:
    """False too where we may not look: making one that is there again changes nothing."""
    try:
        return cluster.get(Ref("v1", "Namespace", namespace)) is not None
    except ApiError as error:
        if error.status != 403:
            raise
        return False


def clock(cluster: ClusterApi, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Whether this machine's clock agrees with the cluster's."""
    apart = abs((cluster.now() - now()).total_seconds())
    if apart > _MOST_APART:
        advice = "let both keep time by NTP: tokens and certificates are refused, and logs mislead; leases don't suffer"
        yield Finding("cluster", "clock", Level.WARN, f"{apart:.0f} s apart from the API server's", advice)
    else:
        yield Finding("cluster", "clock", Level.OK, f"as the API server's, within {_MOST_APART} s")


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


def scale_sets(cluster: ClusterApi) -> dict[str, int] | None:
    """The cluster's runner scale sets and how many runners each may have; None where that can't be seen."""
    if cluster.namespaced(*_RUNNER_SETS) is None:
        return None
    try:
        sets = cluster.list(*_RUNNER_SETS).items
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    found: dict[str, int] = {}
    for item in sets:
        spec = item.get("spec") or {}
        name = str(spec.get("runnerScaleSetName") or item["metadata"]["name"])
        found[name] = found.get(name, 0) + int(spec.get("maxRunners") or 1_000_000)
    return found or None
