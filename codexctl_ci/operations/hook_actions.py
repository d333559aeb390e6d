"""The built-in hook actions that speak to the cluster."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from codexctl_ci.durations import format_duration, parse_duration
from codexctl_ci.errors import CodexctlError, ConfigError, NotReady
from codexctl_ci.operations.run_hooks import Action
from codexctl_ci.ports import Change, ClusterApi, Watching
from codexctl_ci.readiness.fields import items, mapping, meta, status
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger(__name__)

_WAIT = timedelta(seconds=1200)
_NEW_CERTIFICATE = timedelta(minutes=4)

CODEX_SECRETS = (
    ("openai-secret", "OPENAI_API_KEY"),
    ("github-secret", "CODEXCTL_GH_PAT"),
    ("context7-secret", "CONTEXT7_API_KEY"),
)

_KINDS = {
    "v1": (
        "Pod po",
        "ReplicationController rc",
        "Service svc",
        "PersistentVolumeClaim pvc",
        "ConfigMap cm",
        "Secret",
        "Namespace ns",
        "Node no",
    ),
    "apps/v1": ("Deployment deploy", "StatefulSet sts", "DaemonSet ds", "ReplicaSet rs"),
    "batch/v1": ("Job", "CronJob cj"),
    "networking.k8s.io/v1": ("Ingress ing",),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition crd",),
}
_CLUSTER_WIDE = frozenset({"Namespace", "Node", "CustomResourceDefinition"})

FindKind = Callable[[str], tuple[str, str] | None]
"""From a kind as people write it (``certificate``, ``deploy``) to apiVersion and kind; None for an unknown one."""


def built_in_kind(word: str) -> tuple[str, str] | None:
    """Kubernetes' own kinds by name, plural or short name, in any case."""
    low = word.strip().lower()
    for api_version, rows in _KINDS.items():
        for row in rows:
            kind, *short = row.split()
            plain = kind.lower()
            if low in {plain, plain + "s", plain + "es", *short}:
                return api_version, kind
    return None


def wait_action(cluster: ClusterApi, namespace: str, find_kind: FindKind = built_in_kind) -> Action:
    """``kubectl.wait {kind, name, namespace, condition=Available, timeout=1200s}``.

    ``condition`` is a condition's type, ``Type=Status``, or ``delete``. An object that isn't there yet is waited for.
    """

    def wait(arguments: Mapping[str, str], timeout: timedelta | None) -> None:
        ref = _ref(arguments, namespace, find_kind)
        asked = str(arguments.get("condition") or "Available").strip().removeprefix("condition=")
        kind, _, value = asked.partition("=")
        limit = _duration(arguments.get("timeout")) or _WAIT
        limit = min(limit, timeout) if timeout else limit
        gone = asked.lower() in ("delete", "deleted")

        def holds(obj: Manifest | None) -> bool:
            return obj is None if gone else obj is not None and _holds(obj, kind, value or "True")

        in_time, _ = _watched_until(cluster, ref, holds, limit)
        if not in_time:
            raise NotReady(
                f"is not {asked} after {format_duration(limit)}", obj=f"hook kubectl.wait: {ref}", hint="see its events"
            )
        log.info("%s is %s", ref, asked)

    return wait


def _ref(arguments: Mapping[str, str], namespace: str, find_kind: FindKind) -> Ref:
    word, name = str(arguments.get("kind") or ""), str(arguments.get("name") or "")
    if "/" in name:
        word, _, name = name.partition("/")
    found = built_in_kind(word) or find_kind(word)
    if not name or found is None:
        raise ConfigError(f"cannot tell what {word}/{name} is", obj="hook kubectl.wait", hint="give `kind` and `name`")
    inside = "" if found[1] in _CLUSTER_WIDE else str(arguments.get("namespace") or namespace)
    return Ref(*found, name, inside)


def _duration(text: str | None) -> timedelta | None:
    try:
        return parse_duration(str(text)) if text else None
    except ValueError as error:
        raise ConfigError(str(error), obj="hook kubectl.wait") from None


def _holds(obj: Manifest, kind: str, value: str) -> bool:
    generation, observed = meta(obj).get("generation"), status(obj).get("observedGeneration")
    if observed is not None and generation is not None and observed != generation:
        return False
    return any(
        str(found.get("type")).lower() == kind.lower() and str(found.get("status")).lower() == value.lower()
        for found in items(status(obj).get("conditions"))
    )


def _watched_until(
    cluster: ClusterApi, ref: Ref, holds: Callable[[Manifest | None], bool], limit: timedelta
) -> tuple[bool, Manifest | None]:
    """Whether ``holds`` became true of the object in time, and the object as seen last, None where it is gone."""
    end = time.monotonic() + limit.total_seconds()
    only = f"metadata.name={ref.name}"
    listing = cluster.list(ref.api_version, ref.kind, ref.namespace, fields=only)
    obj = listing.items[0] if listing.items else None
    if holds(obj):
        return True, obj
    watching: Watching = cluster.watch(
        ref.api_version,
        ref.kind,
        ref.namespace,
        since=listing.resource_version,
        fields=only,
        timeout=timedelta(seconds=max(0.0, end - time.monotonic())),
        known=listing.items,
    )
    change: Change
    for change in watching:
        obj = None if change.kind == "DELETED" else change.object
        if holds(obj):
            watching.close()
            return True, obj
    return False, obj


def secrets_action(cluster: ClusterApi, namespace: str, values: Mapping[str, str]) -> Action:
    """``codex.ensure-codex-secrets``: the agent's Secrets in ``namespace``, those for which there is a value."""

    def ensure(_arguments: Mapping[str, str], _timeout: timedelta | None) -> None:
        for name, key in CODEX_SECRETS:
            value = values.get(key, "")
            if not value:
                log.info("Secret/%s in %s left out: %s has no value", name, namespace, key)
                continue
            cluster.apply(_secret(name, namespace, {key: base64.b64encode(value.encode()).decode()}), force=True)
            log.info("Secret/%s in %s is there", name, namespace)

    return ensure


def _secret(name: str, namespace: str, data: Mapping[str, str], kind: str = "Opaque") -> Manifest:
    labels = {"app.kubernetes.io/managed-by": "codexctl-ci"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": dict(data)}


@dataclass(frozen=True)
class TlsReuse:
    """What ``codex.reuse-dev-tls-secret`` works on; ``slot`` 0 is no slot."""

    project: str
    slot: int
    namespace: str
    staging_namespace: str


def tls_action(cluster: ClusterApi, place: TlsReuse, wait: timedelta = _NEW_CERTIFICATE) -> Action:
    """``codex.reuse-dev-tls-secret {secretName, stagingNamespace}``: a slot's certificate, kept in staging.

    Issuers limit how many they give for one name. Only warns where it fails: the stack can live without.
    """

    def reuse(arguments: Mapping[str, str], timeout: timedelta | None) -> None:
        if not place.slot:
            log.info("no slot, no certificate to keep")
            return
        name = str(arguments.get("secretName") or f"{place.project}-dev-{place.slot}-tls")
        staging = str(arguments.get("stagingNamespace") or place.staging_namespace)
        here, kept = Ref("v1", "Secret", name, place.namespace), Ref("v1", "Secret", name, staging)
        try:
            own, stored = cluster.get(here), cluster.get(kept)
            if not _complete(own) and _complete(stored):
                _copy(cluster, stored, here)
                return
            found = own
            if not _complete(own):
                limit = min(wait, timeout) if timeout else wait
                in_time, late = _watched_until(cluster, here, _complete, limit)
                found = late if in_time else None
            if found is None:
                log.warning("%s did not come within %s", here, format_duration(wait))
            elif stored is None or mapping(stored.get("data")) != mapping(found.get("data")):
                _copy(cluster, found, kept)
        except CodexctlError as error:
            log.warning("the certificate %s could not be kept: %s", name, error)

    return reuse


def _complete(obj: Manifest | None) -> bool:
    data = mapping((obj or {}).get("data"))
    return bool(data.get("tls.crt") and data.get("tls.key"))


def _copy(cluster: ClusterApi, obj: Manifest | None, to: Ref) -> None:
    if obj is None:
        return
    kind = str(obj.get("type") or "kubernetes.io/tls")
    cluster.apply(_secret(to.name, to.namespace, mapping(obj.get("data")), kind), force=True)
    log.info("certificate copied to %s", to)
