"""Builds as Jobs in the cluster, one an image, with the sources from the workspace volume."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from codexctl_ci.errors import ApiError
from codexctl_ci.images.build_log import BuildLog
from codexctl_ci.images.causes import advice_on
from codexctl_ci.images.kaniko import BuildFailed, KanikoOptions
from codexctl_ci.images.kaniko_manifest import JobPlace, build_job, build_secret, job_name
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import items, mapping, meta, status
from codexctl_ci.readiness.kinds import judge_object
from codexctl_ci.readiness.outcome import WaitResult
from codexctl_ci.stack.images import BuiltImage
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger(__name__)

_TIMES = 3


@dataclass
class KanikoJobs:
    """Implements ``ports.ImageBuilder``. ``wait`` waits until a Job has ended; ``dockerfile`` reads an image's own.

    ``pushed`` tells the digest of an image in its registry. A Job is gone when its build has ended or is stopped. Its
    name follows from its content: a run that comes after a killed one joins its build, and ends it.
    """

    cluster: ClusterApi
    wait: Callable[[Ref], WaitResult]
    dockerfile: Callable[[BuiltImage], str]
    pushed: Callable[[str], str | None]
    place: JobPlace
    options: KanikoOptions
    parallel: int = 4
    _running: dict[str, list[tuple[Ref, str]]] = field(default_factory=dict)
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        for _ in range(_TIMES):
            digest = self._once(image, destinations, labels)
            if digest:
                return digest
            log.warning("image %s: its Job was taken away while it was building; once more", image.name)
        raise BuildFailed("the build Job was deleted again and again", obj=f"image {image.name}", hint="who does that?")

    def _once(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        """The digest; empty where the Job was taken away."""
        name = job_name(image, destinations)
        secret = build_secret(name, image, self.dockerfile(image), self.place)
        job = build_job(name, image, destinations, labels, self.place, self.options, secret)
        try:
            made = self._begin(job, secret)
            log.info("image %s: building in %s", image.name, ref_of(made))
            with BuildLog(self.cluster, made, image.name):
                result = self.wait(ref_of(made))
            return self._digest(image, made, result, destinations)
        finally:
            with self._lock:
                things = self._running.pop(name, [])
            self._remove(things)

    def stop(self) -> None:
        """End what is being built; nothing is begun any more."""
        with self._lock:
            self._stopped = True
            things = [thing for each in self._running.values() for thing in each]
            self._running.clear()
        self._remove(things)

    def _remove(self, things: Sequence[tuple[Ref, str]]) -> None:
        for ref, uid in things:
            try:
                self.cluster.delete(ref, uid=uid)
            except ApiError as error:
                # 409: another one of this name by now. Whatever else: the Job's own time limit takes it.
                log.debug("%s is left to its time limit: %s", ref, error)

    def _begin(self, job: Manifest, secret: Manifest | None) -> Manifest:
        ref, name = ref_of(job), meta(job)["name"]
        there = self.cluster.get(ref)
        if there is not None and _ended(there):
            self.cluster.delete(ref, uid=str(meta(there).get("uid") or ""))
            self._await_gone(ref, there)
            there = None
        with self._lock:
            if self._stopped:
                raise BuildFailed("the build was stopped", obj=f"image {name}")
            noted = self._running.setdefault(name, [])
            if secret is not None:
                noted.append((ref_of(secret), str(meta(self.cluster.apply(secret, force=True)).get("uid") or "")))
            if there is not None:
                log.info("%s is going on already, joining it", ref)
            made = there or self._create(job, ref)
            # The Job first: it is what costs something.
            noted.insert(0, (ref, str(meta(made).get("uid") or "")))
        if secret is not None:
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": meta(made)["uid"]}
            self.cluster.patch(ref_of(secret), {"metadata": {"ownerReferences": [owner]}})
        return made

    def _create(self, job: Manifest, ref: Ref) -> Manifest:
        try:
            return self.cluster.create(job)
        except ApiError as error:
            found = self.cluster.get(ref) if error.conflict else None
            if found is None:
                raise
            return found

    def _await_gone(self, ref: Ref, there: Manifest) -> None:
        only = f"metadata.name={ref.name}"
        listing = self.cluster.list(ref.api_version, ref.kind, ref.namespace, fields=only)
        if not listing.items or meta(listing.items[0]).get("uid") != meta(there).get("uid"):
            return
        for change in self.cluster.watch(
            ref.api_version,
            ref.kind,
            ref.namespace,
            since=listing.resource_version,
            fields=only,
            timeout=timedelta(minutes=1),
            known=listing.items,
        ):
            if change.kind == "DELETED":
                return

    def _digest(self, image: BuiltImage, job: Manifest, result: WaitResult, destinations: Sequence[str]) -> str:
        obj = f"image {image.name}"
        # One that was taken away is built once more below, unless its pod has told the digest.
        if not result.ready and result.failures[0].verdict.reason != "Gone":
            failure = result.failures[0]
            lines = [str(failure.verdict), *(f"{e.reason}: {e.message}" for e in failure.events[-3:]), *failure.log]
            reason = "\n".join(lines)
            hint = advice_on(reason, "read the lines above")
            raise BuildFailed("the build Job failed", obj=obj, reason=reason, hint=hint)
        labels = f"batch.kubernetes.io/job-name={meta(job)['name']}"
        for pod in self.cluster.list("v1", "Pod", self.place.namespace, labels=labels).items:
            for state in items(status(pod).get("containerStatuses")):
                text = str(mapping(mapping(state.get("state")).get("terminated")).get("message") or "").strip()
                if re.fullmatch(r"sha256:[0-9a-f]{64}", text):
                    return text
        found = self.cluster.get(ref_of(job))
        if found is not None and meta(found).get("uid") == meta(job).get("uid") and not _leaving(found):
            raise BuildFailed("the build Job ended without telling a digest", obj=obj, hint="is its image Kaniko's?")
        # Another run that had joined it took it away: because it had ended, or because that run was stopped.
        pushed = {self.pushed(destination) for destination in destinations}
        return (pushed.pop() if len(pushed) == 1 else None) or ""


def _ended(job: Manifest) -> bool:
    verdict = judge_object(job)
    return verdict.ready or verdict.fatal or _leaving(job)


def _leaving(job: Manifest) -> bool:
    return bool(meta(job).get("deletionTimestamp"))
