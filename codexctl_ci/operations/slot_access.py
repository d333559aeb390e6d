"""Writing into a slot with the slot's own account: good for this namespace alone, and for this life of it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from codexctl_ci.ports import ClusterApi, ExecResult, Listing, Watching
from codexctl_ci.slots.leases import MANAGED_BY, TOOL
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

ACCOUNT = "codexctl-deployer"
"""Start of the deployer's name; the slot's epoch is its end."""
ROLE = "codexctl-slot-deployer"
"""The ClusterRole that an operator installs for deployers; bound in the slot's namespace only."""
FALLBACK_ROLE = "admin"
_LIFETIME = timedelta(hours=1)


def account_of(record: SlotRecord) -> str:
    """The deployer's name in this life of the slot.

    The API server trusts a token for some seconds after its account has gone; under another name it opens nothing.
    """
    return f"{ACCOUNT}-{record.epoch}"


def access_objects(record: SlotRecord, role: str) -> list[Manifest]:
    """The deployer's account and its binding in a slot."""
    namespace, account = record.namespace, account_of(record)
    meta = {"name": account, "namespace": namespace, "labels": {MANAGED_BY: TOOL}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]


def deployer(cluster: ClusterApi, record: SlotRecord, check: Callable[[], None] = lambda: None) -> ClusterApi:
    """``cluster``, where all that concerns the slot's namespace goes with a short-lived token of the slot's deployer.

    In a namespace that was made anew since, the token is refused (401). What lies outside of the slot's namespace
    goes with the runner's own identity, as everything does for a repair, which has no namespace of its own.
    ``check`` is called before each write and may refuse it (``OperationLock.check``).
    """
    if record.keeps_namespace:
        return SlotScoped(cluster, cluster, record.namespace, check)
    token = cluster.token_for(record.namespace, account_of(record), _LIFETIME)
    return SlotScoped(cluster, cluster.acting_as(token), record.namespace, check)


class SlotScoped(ClusterApi):
    """A cluster with two identities: ``inside`` for one namespace, ``outside`` for the rest."""

    def __init__(
        self, outside: ClusterApi, inside: ClusterApi, namespace: str, check: Callable[[], None] = lambda: None
    ) -> None:
        self._outside, self._inside, self._namespace, self._check = outside, inside, namespace, check

    def _for(self, namespace: str) -> ClusterApi:
        return self._inside if namespace == self._namespace else self._outside

    def _to_write(self, namespace: str) -> ClusterApi:
        self._check()
        return self._for(namespace)

    def get(self, ref: Ref) -> Manifest | None:
        return self._for(ref.namespace).get(ref)

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        return self._for(namespace).list(api_version, kind, namespace, labels=labels, fields=fields)

    def create(self, manifest: Manifest) -> Manifest:
        return self._to_write(ref_of(manifest).namespace).create(manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        return self._to_write(ref_of(manifest).namespace).replace(manifest)

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> Manifest:
        return self._to_write(ref_of(manifest).namespace).apply(manifest, force=force, dry_run=dry_run)

    def patch(self, ref: Ref, merge: Manifest) -> Manifest:
        return self._to_write(ref.namespace).patch(ref, merge)

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", background: bool = True) -> bool:
        api = self._to_write(ref.namespace)
        return api.delete(ref, uid=uid, resource_version=resource_version, background=background)

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        since: str,
        labels: str = "",
        fields: str = "",
        timeout: timedelta | None = None,
        known: Iterable[Manifest] = (),
    ) -> Watching:
        return self._for(namespace).watch(
            api_version, kind, namespace, since=since, labels=labels, fields=fields, timeout=timeout, known=known
        )

    def logs(self, namespace: str, pod: str, container: str = "", *, tail: int = 30, previous: bool = False) -> str:
        return self._for(namespace).logs(namespace, pod, container, tail=tail, previous=previous)

    def follow(self, namespace: str, pod: str, container: str = "") -> Iterator[str]:
        return self._for(namespace).follow(namespace, pod, container)

    def execute(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: Iterable[bytes] = (),
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta | None = None,
    ) -> ExecResult:
        api = self._to_write(namespace)
        return api.execute(namespace, pod, argv, container=container, stdin=stdin, on_stdout=on_stdout, timeout=timeout)

    def token_for(self, namespace: str, service_account: str, lifetime: timedelta) -> str:
        return self._for(namespace).token_for(namespace, service_account, lifetime)

    def acting_as(self, token: str) -> ClusterApi:
        return self._outside.acting_as(token)

    def namespaced(self, api_version: str, kind: str) -> bool | None:
        return self._outside.namespaced(api_version, kind)

    def check_new(self, manifest: Manifest) -> None:
        self._for(ref_of(manifest).namespace).check_new(manifest)

    def may(self, verb: str, api_version: str, kind: str, namespace: str = "", *, name: str = "") -> bool:
        return self._for(namespace).may(verb, api_version, kind, namespace, name=name)

    def server_version(self) -> str:
        return self._outside.server_version()

    def forget_kinds(self) -> None:
        self._outside.forget_kinds()

    def now(self) -> datetime:
        return self._outside.now()
