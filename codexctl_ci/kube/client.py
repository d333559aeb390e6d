"""The Kubernetes API for operations: one method a verb, raw JSON, one pool of connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.discovery import Discovery, Resource
from codexctl_ci.kube.retrying import RetryPolicy
from codexctl_ci.kube.transport import Transport
from codexctl_ci.ports import ExecResult, Listing, Watching
from codexctl_ci.stack.objects import Manifest, Ref, carries, ref_of

FIELD_MANAGER = "codexctl-ci"
_PAGE = 500
_LOG_BYTES = 256 * 1024


class UnknownKind(ConfigError):
    """The cluster has no such kind; ``crd`` is the name its CustomResourceDefinition would have, as far as known."""


class Cluster:
    """Implements ``ports.ClusterApi``. Usable from many threads; nothing is asked of the server before the first call.

    ``cache_dir`` keeps what the server knows of kinds between runs; None keeps nothing.
    """

    def __init__(self, transport: Transport, *, cache_dir: Path | None = None, discovery: Discovery | None = None):
        self._transport = transport
        self._version: Mapping[str, str] | None = None
        self._rights: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._rights_lock = threading.Lock()
        self.discovery = discovery or Discovery(
            self._read_json, self.server_version, transport.connection.server, cache_dir
        )

    @classmethod
    def open(
        cls,
        connection: Connection,
        *,
        policy: RetryPolicy | None = None,
        connections: int = 32,
        cache_dir: Path | None = None,
    ) -> Cluster:
        """A cluster over a pool of up to ``connections`` connections."""
        return cls(Transport(connection, policy=policy, connections=connections), cache_dir=cache_dir)

    @property
    def connection(self) -> Connection:
        """Where the cluster is and who we are there."""
        return self._transport.connection

    def server_version(self) -> str:
        if self._version is None:
            self._version = self._transport.request("GET", "/version", what="ask for the server's version").json()
        return str(self._version.get("gitVersion", ""))

    def get(self, ref: Ref) -> Manifest | None:
        try:
            return self._call("GET", self._path(ref), what="read", obj=ref)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        path = self._collection(api_version, kind, namespace)
        items: list[Manifest] = []
        more, version = "", ""
        while True:
            query = _query(labelSelector=labels, fieldSelector=fields, limit=str(_PAGE), **{"continue": more})
            try:
                found = self._call("GET", path, query=query, what=f"list {kind}")
            except ApiError as error:
                if error.status == 410 and more:
                    # The pages' snapshot was compacted away: begin again.
                    items, more = [], ""
                    continue
                raise
            meta = found.get("metadata") or {}
            version = version if more else str(meta.get("resourceVersion", ""))
            for item in found.get("items") or []:
                # Items of a list come without their type.
                item.setdefault("apiVersion", api_version)
                item.setdefault("kind", kind)
                items.append(item)
            more = str(meta.get("continue") or "")
            if not more:
                return Listing(items, version)

    def create(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        path = self._collection(ref.api_version, ref.kind, ref.namespace)
        try:
            return self._call(
                "POST", path, query=_query(fieldManager=FIELD_MANAGER), body=manifest, what="create", obj=ref
            )
        except ApiError as error:
            return self._own_after_all(error, ref, manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        ref = ref_of(manifest)
        query = _query(fieldManager=FIELD_MANAGER)
        try:
            return self._call("PUT", self._path(ref), query=query, body=manifest, what="replace", obj=ref)
        except ApiError as error:
            return self._own_after_all(error, ref, manifest)

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> Manifest:
        ref = ref_of(manifest)
        query = _query(
            fieldManager=FIELD_MANAGER,
            force="true" if force else "false",
            fieldValidation="Strict",
            dryRun="All" if dry_run else "",
        )
        return self._call(
            "PATCH",
            self._path(ref),
            query=query,
            body=manifest,
            content_type="application/apply-patch+yaml",
            what="apply",
            obj=ref,
        )

    def patch(self, ref: Ref, merge: Manifest) -> Manifest:
        return self._call(
            "PATCH",
            self._path(ref),
            query=_query(fieldManager=FIELD_MANAGER),
            body=merge,
            content_type="application/merge-patch+json",
            what="patch",
            obj=ref,
        )

    def check_new(self, manifest: Manifest) -> None:
        ref = ref_of(manifest)
        meta = {key: value for key, value in manifest["metadata"].items() if key != "name"}
        trial = manifest | {"metadata": meta | {"generateName": f"{ref.name[:40]}-"}}
        path = self._collection(ref.api_version, ref.kind, ref.namespace)
        self._call(
            "POST", path, query=_query(dryRun="All", fieldValidation="Strict"), body=trial, what="check", obj=ref
        )

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", background: bool = True) -> bool:
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background" if background else "Foreground",
        }
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if any(conditions.values()):
            options["preconditions"] = {key: value for key, value in conditions.items() if value}
        try:
            self._call("DELETE", self._path(ref), body=options, what="delete", obj=ref)
        except ApiError as error:
            if error.status == 404:
                return error.ambiguous
            if error.status == 409 and error.ambiguous and uid:
                # Our lost try may have deleted it and somebody made a new one: what we meant is gone.
                found = self.get(ref)
                if found is None or found["metadata"].get("uid") != uid:
                    return True
            raise
        return True

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
        from codexctl_ci.kube.watching import Watch

        return Watch(
            self._transport,
            self._collection(api_version, kind, namespace),
            _query(labelSelector=labels, fieldSelector=fields),
            relist=lambda: self.list(api_version, kind, namespace, labels=labels, fields=fields),
            since=since,
            timeout=timeout,
            known=known,
            what=f"watch {kind}",
        )

    def logs(self, namespace: str, pod: str, container: str = "", *, tail: int = 30, previous: bool = False) -> str:
        path = f"/api/v1/namespaces/{_name(namespace)}/pods/{_name(pod)}/log"
        query = _query(
            container=container,
            tailLines=str(tail),
            limitBytes=str(_LOG_BYTES),
            previous="true" if previous else "",
        )
        try:
            answer = self._transport.request(
                "GET", path, query=query, accept="*/*", what="read the log", obj=f"Pod/{pod} in {namespace}"
            )
        except ApiError as error:
            # 400: the container has not started, or never ran before.
            if error.status in (400, 404):
                return ""
            raise
        return answer.body.decode("utf-8", "replace")

    def follow(self, namespace: str, pod: str, container: str = "") -> Iterator[str]:
        from codexctl_ci.kube.following import follow

        path = f"/api/v1/namespaces/{_name(namespace)}/pods/{_name(pod)}/log"
        return follow(self._transport, path, container, f"Pod/{pod} in {namespace}")

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
        from codexctl_ci.kube.executing import execute

        return execute(
            self._transport,
            f"/api/v1/namespaces/{_name(namespace)}/pods/{_name(pod)}/exec",
            argv,
            container=container,
            stdin=stdin,
            on_stdout=on_stdout,
            timeout=timeout,
            obj=f"Pod/{pod} in {namespace}",
        )

    def token_for(self, namespace: str, service_account: str, lifetime: timedelta) -> str:
        path = f"/api/v1/namespaces/{_name(namespace)}/serviceaccounts/{_name(service_account)}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": max(600, int(lifetime.total_seconds()))},
        }
        ref = Ref("v1", "ServiceAccount", service_account, namespace)
        return str(self._call("POST", path, body=body, what="ask for a token", obj=ref)["status"]["token"])

    def acting_as(self, token: str) -> Cluster:
        return Cluster(self._transport.sibling(self.connection.with_token(token)), discovery=self.discovery)

    def namespaced(self, api_version: str, kind: str) -> bool | None:
        found = self.discovery.resource(api_version, kind)
        return None if found is None else found.namespaced

    def find_kind(self, word: str) -> tuple[str, str] | None:
        """``apiVersion`` and kind that people mean by ``word``, None where the server has no such."""
        found = self.discovery.find(word)
        if found is None:
            self.discovery.refresh()
            found = self.discovery.find(word)
        return found

    def forget_kinds(self) -> None:
        self.discovery.refresh()

    def now(self) -> datetime:
        found = self._transport.clock.now()
        if found is None:
            self._transport.request("GET", "/version", what="ask for the server's time")
            found = self._transport.clock.now()
        if found is None:
            raise ApiError(
                "the API server doesn't tell its time",
                status=0,
                kind="NoDate",
                obj=self.connection.server,
                hint="is a proxy taking the Date header out of its answers?",
            )
        return found

    def may(self, verb: str, api_version: str, kind: str, namespace: str = "", *, name: str = "") -> bool:
        kind, slash, part = kind.partition("/")
        plural = self._resource(api_version, kind).plural + slash + part
        group = api_version.rpartition("/")[0]
        with self._rights_lock:
            if namespace and namespace not in self._rights:
                status = self._review("SelfSubjectRulesReview", {"namespace": namespace})
                self._rights[namespace] = status.get("resourceRules") or []
        # The rules answer most questions with one request; what they don't allow is asked for one by one.
        if any(_allows(rule, verb, group, plural) for rule in self._rights.get(namespace, [])):
            return True
        attributes = {"verb": verb, "group": group, "resource": plural.partition("/")[0], "subresource": part}
        attributes |= {"namespace": namespace, "name": name}
        attributes = {key: value for key, value in attributes.items() if value or key == "group"}
        return bool(self._review("SelfSubjectAccessReview", {"resourceAttributes": attributes}).get("allowed"))

    def _review(self, kind: str, spec: Mapping[str, Any]) -> Manifest:
        path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": dict(spec)}
        status: Manifest = self._call("POST", path, body=body, what="ask for our own rights").get("status") or {}
        return status

    def _call(self, method: str, path: str, *, what: str, obj: Ref | None = None, **more: Any) -> Manifest:
        answer = self._transport.request(method, path, what=what, obj=str(obj or ""), **more)
        try:
            found: Manifest = answer.json()
        except ApiError as error:
            error.obj = str(obj or "")
            raise
        return found

    def _own_after_all(self, error: ApiError, ref: Ref, sent: Manifest) -> Manifest:
        """After a lost answer: the object as it is, where it carries all that was sent; else ``error`` is raised."""
        if error.status == 409 and error.ambiguous:
            found = self.get(ref)
            if found is not None and carries(found, _without_server_fields(sent), blank_may_lack=True):
                return found
        raise error

    def _read_json(self, path: str, accept: str) -> Any:
        return self._transport.request("GET", path, accept=accept, what="ask which kinds there are").json()

    def _resource(self, api_version: str, kind: str) -> Resource:
        found = self.discovery.resource(api_version, kind)
        if found is None:
            raise unknown_kind(api_version, kind, self.discovery)
        return found

    def _collection(self, api_version: str, kind: str, namespace: str) -> str:
        found = self._resource(api_version, kind)
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if namespace and found.namespaced:
            root += f"/namespaces/{_name(namespace)}"
        return f"{root}/{found.plural}"

    def _path(self, ref: Ref) -> str:
        resource = self._resource(ref.api_version, ref.kind)
        if resource.namespaced and not ref.namespace:
            raise CodexctlError("has no namespace", obj=str(ref), hint="give the object one")
        return f"{self._collection(ref.api_version, ref.kind, ref.namespace)}/{_name(ref.name)}"


def unknown_kind(api_version: str, kind: str, discovery: Discovery) -> UnknownKind:
    """The error for a kind that the cluster lacks: names the CustomResourceDefinition, or the right version."""
    others = [version for version, rows in discovery.kinds().items() if kind in rows]
    group = api_version.rpartition("/")[0]
    if others:
        hint = f"this cluster has it in {', '.join(sorted(others))}"
    elif "." in group:
        hint = (
            f"install its CustomResourceDefinition first ({kind.lower()}s.{group} or alike), or put it into the stack"
        )
    else:
        hint = "check apiVersion and kind"
    return UnknownKind(f"the cluster knows no kind {kind} in {api_version}", hint=hint)


def _allows(rule: Mapping[str, Any], verb: str, group: str, plural: str) -> bool:
    def has(key: str, wanted: str) -> bool:
        return bool({"*", wanted} & set(rule.get(key) or []))

    return not rule.get("resourceNames") and has("verbs", verb) and has("apiGroups", group) and has("resources", plural)


def _without_server_fields(manifest: Manifest) -> Manifest:
    gone = {"resourceVersion", "managedFields", "generation", "creationTimestamp"}
    meta = {key: value for key, value in manifest["metadata"].items() if key not in gone}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": meta}


def _name(text: str) -> str:
    # A name from outside must stay one segment of the path: no slash, no dot segment.
    if not text or text in (".", ".."):
        raise ConfigError(f"{text!r} is no name of an object")
    return quote(text, safe="")


def _query(**values: str) -> str:
    return urlencode({key: value for key, value in values.items() if value})
