"""What a wait knows of the cluster: the objects as last seen, and pods by their owners."""

from __future__ import annotations

import logging
from collections import defaultdict

from codexctl_ci.errors import ApiError
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.budgets import Memory, remember
from codexctl_ci.readiness.fields import items, mapping, meta, spec, status
from codexctl_ci.readiness.judge import Related
from codexctl_ci.readiness.kinds import judge_object
from codexctl_ci.readiness.pods import newest_replica_set
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger(__name__)

_STORAGE = "storage.k8s.io/v1"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Surroundings:
    """Fed with every object that is seen; answers with what speaks for one of them.

    ``pods_known`` is set by who watches pods and ReplicaSets too.
    """

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._objects: dict[Ref, Manifest] = {}
        self._gone: dict[Ref, Manifest] = {}
        self._refs: dict[str, Ref] = {}
        self._pods: dict[str, dict[str, Manifest]] = defaultdict(dict)
        self._replica_sets: dict[str, dict[str, Manifest]] = defaultdict(dict)
        self._memories: dict[str, Memory] = {}
        self._late_binding: dict[str, bool] = {}
        self._ready_since: dict[Ref, float] = {}
        self.pods_known = False

    def find(self, ref: Ref) -> Manifest | None:
        """The object as last seen, None where it isn't there."""
        return self._objects.get(ref)

    def last(self, ref: Ref) -> Manifest | None:
        """Of an object that went while we looked: how it was last."""
        return self._gone.get(ref)

    def uids(self, ref: Ref) -> tuple[str, ...]:
        """UIDs of the object and, for a Deployment, of the ReplicaSet that it is rolling out."""
        obj = self._objects.get(ref)
        if obj is None:
            return ()
        sets = self._replica_sets.get(_uid(obj), {}).values()
        return tuple(uid for uid in (_uid(obj), newest_replica_set(obj, sets)) if uid)

    def see(self, obj: Manifest, now: float, *, gone: bool) -> set[Ref]:
        """Take ``obj`` as it is now, or as it was before it went; the refs on which it bears."""
        ref, uid, owner = ref_of(obj), _uid(obj), _owner(obj)
        bears = {ref, *([self._refs[owner]] if owner in self._refs else [])}
        known = self._objects.get(ref)
        if gone:
            if known is not None and _uid(known) == uid:
                del self._objects[ref]
                self._gone[ref] = obj
        else:
            self._objects[ref] = obj
            self._refs[uid] = ref
        if ref.kind == "Pod":
            _keep(self._pods[owner], uid, obj, gone)
            if gone:
                self._memories.pop(uid, None)
            else:
                self._memories[uid] = remember(self._memories.get(uid), obj, now, self._cluster.now())
            # A pod of a ReplicaSet bears on the Deployment above it.
            above = _owner(self._objects.get(self._refs[owner], {})) if owner in self._refs else ""
            if above in self._refs:
                bears.add(self._refs[above])
        elif ref.kind == "ReplicaSet":
            _keep(self._replica_sets[owner], uid, obj, gone)
        if gone or not judge_object(obj).ready:
            self._ready_since.pop(ref, None)
        else:
            self._ready_since.setdefault(ref, now)
        return bears

    def of(self, obj: Manifest) -> Related:
        """What surrounds ``obj``."""
        uid = _uid(obj)
        pods = [obj] if obj.get("kind") == "Pod" else list(self._pods.get(uid, {}).values())
        sets = list(self._replica_sets.get(uid, {}).values())
        for one in sets:
            pods += self._pods.get(_uid(one), {}).values()
        late = obj.get("kind") == "PersistentVolumeClaim" and self._binds_late(obj)
        return Related(pods, sets, self._memories, late, self.pods_known, self._ready_since.get(ref_of(obj)))

    def _binds_late(self, claim: Manifest) -> bool:
        if status(claim).get("phase") == "Bound":
            return False
        name = spec(claim).get("storageClassName")
        key = str(name) if name is not None else "(default)"
        if key not in self._late_binding:
            try:
                self._late_binding[key] = self._mode(name) == "WaitForFirstConsumer"
            except ApiError as error:
                # Storage classes are cluster-wide; a slot's own account need not see them.
                log.warning("storage class of %s cannot be read: %s", ref_of(claim), error)
                self._late_binding[key] = False
        return self._late_binding[key]

    def _mode(self, name: object) -> object:
        if name == "":
            return None
        if name is not None:
            found = self._cluster.get(Ref(_STORAGE, "StorageClass", str(name)))
            return found.get("volumeBindingMode") if found else None
        for each in self._cluster.list(_STORAGE, "StorageClass").items:
            if mapping(meta(each).get("annotations")).get(_DEFAULT_CLASS) == "true":
                return each.get("volumeBindingMode")
        return None


def _keep(where: dict[str, Manifest], uid: str, obj: Manifest, gone: bool) -> None:
    if gone:
        where.pop(uid, None)
    else:
        where[uid] = obj


def _uid(obj: Manifest) -> str:
    return str(meta(obj).get("uid") or "")


def _owner(obj: Manifest) -> str:
    owners = items(meta(obj).get("ownerReferences"))
    return str(next((owner.get("uid") for owner in owners if owner.get("controller", True)), ""))
