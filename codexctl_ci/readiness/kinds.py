"""The rules of each kind: what an object's own status says, without its pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codexctl_ci.readiness.fields import condition, holds, items, mapping, meta, number, spec, status, updated_by_hand
from codexctl_ci.readiness.verdict import State, Verdict, failed, progressing, ready
from codexctl_ci.stack.objects import Manifest

AT_ONCE = frozenset(
    {
        "ConfigMap",
        "Secret",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "PodDisruptionBudget",
        "CronJob",
        "Ingress",
        "IngressClass",
        "NetworkPolicy",
        "StorageClass",
        "PriorityClass",
        "RuntimeClass",
        "ResourceQuota",
        "LimitRange",
        "HorizontalPodAutoscaler",
        "Endpoints",
        "EndpointSlice",
        "Lease",
        "PersistentVolume",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    }
)
"""Built-in kinds that are what they should be as soon as the API has accepted them."""

BUILT_IN_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})


def built_in(api_version: str) -> bool:
    """Whether the kind is Kubernetes' own, so that its name alone tells the rule."""
    group = api_version.rpartition("/")[0]
    return group in BUILT_IN_GROUPS or group.endswith(".k8s.io")


def settled_at_once(api_version: str, kind: str) -> bool:
    """Whether objects of the kind need no watching at all."""
    return built_in(api_version) and kind in AT_ONCE


def judge_object(obj: Manifest, *, waits_for_consumer: bool = False) -> Verdict:
    """The verdict by the object's own fields.

    ``waits_for_consumer``: for a volume claim, that its class binds only when a pod uses it.
    """
    if meta(obj).get("deletionTimestamp"):
        return Verdict(State.TERMINATING, "Terminating", _holders(obj))
    generation, observed = meta(obj).get("generation"), status(obj).get("observedGeneration")
    if observed is not None and generation is not None and observed != generation:
        return progressing("Observing", f"the controller has seen generation {observed} of {generation}")
    if holds(obj, "Reconciling"):
        return progressing(*_told(condition(obj, "Reconciling"), "Reconciling"))
    if holds(obj, "Stalled"):
        return failed(*_told(condition(obj, "Stalled"), "Stalled"))
    kind = obj.get("kind", "")
    if built_in(obj.get("apiVersion", "")):
        if kind in AT_ONCE:
            return ready()
        if kind == "PersistentVolumeClaim":
            return _claim(obj, waits_for_consumer)
        rule = _RULES.get(kind)
        if rule is not None:
            return rule(obj)
    return _anything_else(obj)


def judge_gone(last: Manifest | None) -> Verdict:
    """The verdict on an object that was deleted, by how it was when it was seen last (None: it never was).

    Work that was done stays done: a Job that completed may be taken away, as its time to live asks for.
    """
    if last is not None and built_in(last.get("apiVersion", "")) and last.get("kind") in ("Job", "Pod"):
        verdict = _RULES[last["kind"]](last)
        if verdict.fatal or verdict.reason in ("Complete", "Succeeded"):
            return verdict
    return failed("Gone", "was deleted meanwhile, by whom is not known; apply again")


def _holders(obj: Manifest) -> str:
    names = ", ".join(str(name) for name in meta(obj).get("finalizers") or [])
    return f"held by {names}" if names else ""


def _told(found: Mapping[str, Any] | None, default: str) -> tuple[str, str]:
    found = found or {}
    return str(found.get("reason") or default), str(found.get("message") or "")


def _unobserved(obj: Manifest) -> Verdict | None:
    # A workload's controller always writes it; without it the counts below say nothing.
    if status(obj).get("observedGeneration") is None:
        return progressing("Observing", "its controller has not seen it yet")
    return None


def _count(have: int, want: int, what: str, reason: str) -> Verdict | None:
    return progressing(reason, f"{have} of {want} {what}") if have < want else None


def _first(*verdicts: Verdict | None) -> Verdict:
    return next((verdict for verdict in verdicts if verdict is not None), ready())


def _deployment(obj: Manifest) -> Verdict:
    now, want = status(obj), number(spec(obj), "replicas", 1)
    progress = condition(obj, "Progressing")
    if progress is not None and progress.get("reason") == "ProgressDeadlineExceeded":
        return failed(*_told(progress, "ProgressDeadlineExceeded"))
    updated, available = number(now, "updatedReplicas"), number(now, "availableReplicas")
    total = number(now, "replicas")
    old = progressing("Updating", f"{total - updated} old pods left") if total > updated else None
    lacking = None if holds(obj, "Available") else progressing(*_told(condition(obj, "Available"), "Unavailable"))
    refused = condition(obj, "ReplicaFailure")
    counts = _first(
        _unobserved(obj),
        _count(updated, want, "pods updated", "Updating"),
        old,
        _count(available, updated, "pods available", "Unavailable"),
        _count(number(now, "readyReplicas"), want, "pods ready", "Unready"),
        lacking,
    )
    if not counts.ready and refused is not None and refused.get("status") == "True":
        # A quota or an admission rule: it says more than a count.
        return progressing(*_told(refused, "ReplicaFailure"))
    return counts


def _stateful_set(obj: Manifest) -> Verdict:
    now, want = status(obj), number(spec(obj), "replicas", 1)
    strategy = mapping(spec(obj).get("updateStrategy"))
    partition = number(mapping(strategy.get("rollingUpdate")), "partition")
    counts = _first(
        _unobserved(obj),
        _count(number(now, "replicas"), want, "pods created", "Creating"),
        _count(number(now, "readyReplicas"), want, "pods ready", "Unready"),
    )
    if not counts.ready or updated_by_hand(obj):
        return counts
    if partition:
        return _first(_count(number(now, "updatedReplicas"), max(0, want - partition), "pods updated", "Updating"))
    if now.get("currentRevision") != now.get("updateRevision"):
        return progressing("Updating", f"{number(now, 'updatedReplicas')} of {want} pods updated")
    return ready()


def _daemon_set(obj: Manifest) -> Verdict:
    now = status(obj)
    want = number(now, "desiredNumberScheduled")
    updated = want if updated_by_hand(obj) else number(now, "updatedNumberScheduled")
    return _first(
        _unobserved(obj),
        _count(number(now, "currentNumberScheduled"), want, "pods scheduled", "Creating"),
        _count(updated, want, "pods updated", "Updating"),
        _count(number(now, "numberAvailable"), want, "pods available", "Unavailable"),
        _count(number(now, "numberReady"), want, "pods ready", "Unready"),
    )


def _replica_set(obj: Manifest) -> Verdict:
    now, want = status(obj), number(spec(obj), "replicas", 1)
    if holds(obj, "ReplicaFailure"):
        return progressing(*_told(condition(obj, "ReplicaFailure"), "ReplicaFailure"))
    return _first(
        _unobserved(obj),
        _count(number(now, "fullyLabeledReplicas"), want, "pods created", "Creating"),
        _count(number(now, "availableReplicas"), want, "pods available", "Unavailable"),
        _count(number(now, "readyReplicas"), want, "pods ready", "Unready"),
    )


def _pod(obj: Manifest) -> Verdict:
    phase = status(obj).get("phase")
    if phase == "Succeeded":
        return ready("Succeeded")
    if phase == "Failed":
        now = status(obj)
        return failed(str(now.get("reason") or "Failed"), str(now.get("message") or "the pod has failed"))
    if phase == "Running" and holds(obj, "Ready"):
        return ready()
    return progressing(*_told(condition(obj, "Ready"), str(phase or "Pending")))


def _job(obj: Manifest) -> Verdict:
    if holds(obj, "Failed"):
        return failed(*_told(condition(obj, "Failed"), "Failed"))
    if holds(obj, "Complete"):
        return ready("Complete")
    if spec(obj).get("suspend") is True:
        return ready("Suspended")
    now = status(obj)
    done, want = number(now, "succeeded"), number(spec(obj), "completions", 1)
    lost = number(now, "failed")
    return progressing("Running", f"{done} of {want} done" + (f", {lost} failed" if lost else ""))


def _service(obj: Manifest) -> Verdict:
    if spec(obj).get("type") != "LoadBalancer":
        return ready()
    addresses = items(mapping(status(obj).get("loadBalancer")).get("ingress"))
    return ready() if addresses else progressing("Pending", "no address from the load balancer yet")


def _claim(obj: Manifest, waits_for_consumer: bool) -> Verdict:
    phase = status(obj).get("phase")
    if phase == "Bound":
        return ready()
    if phase == "Lost":
        return failed("Lost", f"its volume {spec(obj).get('volumeName', '')} is gone")
    if waits_for_consumer:
        return ready("WaitForFirstConsumer", "binds when a pod uses it")
    return progressing("Unbound", f"no volume of class {spec(obj).get('storageClassName') or '(default)'} yet")


def _definition(obj: Manifest) -> Verdict:
    if holds(obj, "NamesAccepted", "False"):
        return failed(*_told(condition(obj, "NamesAccepted"), "NamesNotAccepted"))
    if holds(obj, "Established"):
        return ready()
    return progressing(*_told(condition(obj, "Established"), "NotEstablished"))


def _anything_else(obj: Manifest) -> Verdict:
    listed = {found.get("type") for found in items(status(obj).get("conditions"))}
    for kind in ("Ready", "Available"):
        if kind in listed:
            if holds(obj, kind):
                return ready()
            return progressing(*_told(condition(obj, kind), f"Not{kind}"))
    return ready()


_RULES: dict[str, Callable[[Manifest], Verdict]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replica_set,
    "Pod": _pod,
    "Job": _job,
    "Service": _service,
    "CustomResourceDefinition": _definition,
}
