"""A pod of ours in a slot, with the workspace volume: the only place from which we look at sources in a volume.

Nothing in it was made by an agent: its tools are those of a stock image, and it runs fixed scripts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from codexctl_ci.errors import ApiError, NotReady
from codexctl_ci.ports import ClusterApi, ExecResult
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger(__name__)

NAME = "codexctl-sync"
MOUNT = "/volume"
_LIFETIME_SECONDS = 3600
_TRIES = 4
_START_LIMIT = timedelta(minutes=5)


@dataclass(frozen=True)
class SyncPod:
    """A running pod. ``run`` executes a fixed script with words as its arguments; a failure is an ApiError."""

    cluster: ClusterApi
    namespace: str
    name: str = NAME
    mount: str = MOUNT

    def run(
        self,
        script: str,
        *words: str,
        stdin: Iterable[bytes] = (),
        timeout: timedelta = timedelta(minutes=10),
    ) -> bytes:
        """What the script printed."""
        argv = ["sh", "-c", script, "codexctl", *words]
        done = self._execute(argv, stdin, timeout)
        if done.code != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit code {done.code}"
            raise ApiError("a script in the volume's pod failed", status=500, obj=str(self), reason=reason)
        return done.stdout

    def stream(self, script: str, word: str, stdin: bytes, on_stdout: Callable[[bytes], None]) -> ExecResult:
        """The end of a script whose output ``on_stdout`` takes; contact that is lost is an ApiError."""
        argv = ["sh", "-c", script, "codexctl", word]
        return self.cluster.execute(self.namespace, self.name, argv, stdin=(stdin,), on_stdout=on_stdout)

    def _execute(self, argv: list[str], stdin: Iterable[bytes], timeout: timedelta) -> ExecResult:
        """Every script may run twice; a lost connection is opened again where what goes in can be sent again."""
        tries = _TRIES if isinstance(stdin, tuple) else 1
        for attempt in range(1, tries + 1):
            try:
                return self.cluster.execute(self.namespace, self.name, argv, stdin=stdin, timeout=timeout)
            except ApiError as error:
                if not error.passing or attempt == tries:
                    raise
                log.warning("%s: contact was lost, asking again: %s", self, error.reason or error.what)
        raise AssertionError("unreachable")

    def __str__(self) -> str:
        return f"Pod/{self.name} in {self.namespace}"


@contextmanager
def sync_pod(cluster: ClusterApi, namespace: str, claim: str, image: str, *, name: str = NAME) -> Iterator[SyncPod]:
    """A pod with the claim mounted, for the body of a ``with``. One of its name that an earlier run left goes first."""
    ref = Ref("v1", "Pod", name, namespace)
    _remove(cluster, ref)
    made = cluster.create(_manifest(namespace, name, claim, image, _node_of(cluster, namespace, claim)))
    try:
        _wait_until_running(cluster, ref, made)
        yield SyncPod(cluster, namespace, name)
    finally:
        try:
            cluster.delete(ref, uid=made["metadata"]["uid"])
        except ApiError as error:
            log.warning("%s is left behind, and ends by itself in an hour: %s", ref, error)


def _manifest(namespace: str, name: str, claim: str, image: str, node: str) -> Manifest:
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": _LIFETIME_SECONDS,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "sync",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", str(_LIFETIME_SECONDS)],
                "securityContext": {"allowPrivilegeEscalation": False},
                "volumeMounts": [{"name": "workspace", "mountPath": MOUNT}],
            }
        ],
        "volumes": [{"name": "workspace", "persistentVolumeClaim": {"claimName": claim}}],
    }
    if node:
        spec["nodeName"] = node
    labels = {"app.kubernetes.io/managed-by": "codexctl-ci", "app.kubernetes.io/name": NAME}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _node_of(cluster: ClusterApi, namespace: str, claim: str) -> str:
    """The node where the volume is in use: one that only one node can mount must be met there."""
    for pod in cluster.list("v1", "Pod", namespace).items:
        spec = pod.get("spec") or {}
        claims = {(v.get("persistentVolumeClaim") or {}).get("claimName") for v in spec.get("volumes") or []}
        if claim in claims and spec.get("nodeName") and (pod.get("status") or {}).get("phase") == "Running":
            return str(spec["nodeName"])
    return ""


def _remove(cluster: ClusterApi, ref: Ref) -> None:
    found = cluster.get(ref)
    if found is None:
        return
    listing = cluster.list("v1", "Pod", ref.namespace, fields=f"metadata.name={ref.name}")
    cluster.delete(ref, uid=found["metadata"]["uid"])
    if not listing.items:
        return
    watch = cluster.watch(
        "v1",
        "Pod",
        ref.namespace,
        since=listing.resource_version,
        fields=f"metadata.name={ref.name}",
        timeout=_START_LIMIT,
        known=listing.items,
    )
    try:
        for change in watch:
            if change.kind == "DELETED":
                return
    finally:
        watch.close()
    raise NotReady("the pod of an earlier run does not go away", obj=str(ref))


def _wait_until_running(cluster: ClusterApi, ref: Ref, made: Manifest) -> None:
    last = made
    watch = cluster.watch(
        "v1",
        "Pod",
        ref.namespace,
        since=made["metadata"]["resourceVersion"],
        fields=f"metadata.name={ref.name}",
        timeout=_START_LIMIT,
        known=[made],
    )
    try:
        for change in watch:
            last = change.object
            statuses = (last.get("status") or {}).get("containerStatuses") or [{}]
            if "running" in (statuses[0].get("state") or {}):
                return
            waiting = (statuses[0].get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"):
                break
            if change.kind == "DELETED" or (last.get("status") or {}).get("phase") == "Failed":
                break
    finally:
        watch.close()
    raise NotReady(
        "the pod that receives the sources does not run",
        obj=str(ref),
        reason=_why(last),
        hint="is CODEXCTL_SYNC_IMAGE reachable from the cluster, and the workspace claim bound?",
    )


def _why(pod: Manifest) -> str:
    status = pod.get("status") or {}
    waiting = ((status.get("containerStatuses") or [{}])[0].get("state") or {}).get("waiting") or {}
    if waiting:
        return f"{waiting.get('reason')}: {waiting.get('message') or ''}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return str(status.get("message") or status.get("phase") or "no status yet")
