"""Builds as Jobs in the cluster, one an image, with the sources from the workspace volume."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.images.kaniko import BuildFailed, KanikoOptions, kaniko_arguments
from codexctl_ci.images.named_contexts import FOLDER, with_stages
from codexctl_ci.images.reference import parse_reference
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import items, mapping, meta, status
from codexctl_ci.readiness.kinds import judge_object
from codexctl_ci.readiness.outcome import WaitResult
from codexctl_ci.stack.images import BuiltImage
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger(__name__)

_SOURCE, _BUILD, _GIVEN = "/source", "/build", "/codexctl"
_IMAGE = "docker-image://"
_KEEP_SECONDS = 600
# Arguments: the context's folder, then pairs of a named context and its folder.
_GATHER = f"""set -e
mkdir -p {_BUILD}/context && cp -a "{_SOURCE}/$1/." {_BUILD}/context/ && shift
while [ $# -gt 0 ]; do
  mkdir -p "{_BUILD}/context/{FOLDER}/$1" && cp -a "{_SOURCE}/$2/." "{_BUILD}/context/{FOLDER}/$1/" && shift 2
done
if [ -f {_BUILD}/context/.dockerignore ]; then printf '\\n!%s\\n' {FOLDER} >> {_BUILD}/context/.dockerignore; fi
"""


@dataclass(frozen=True)
class JobPlace:
    """Where and how build Jobs run.

    ``claim`` is the workspace's claim in ``namespace`` and ``sources`` the folder in it that holds the project.
    ``image`` is Kaniko's, ``gather_image`` has a shell. ``environ`` goes into the pod as it is; ``docker_config`` (the
    text of a config.json) and ``authorities`` (PEM) go there in a Secret. ``privileged`` is for builders that need it.
    """

    namespace: str
    claim: str
    sources: str
    image: str
    gather_image: str
    environ: Mapping[str, str] = field(default_factory=dict)
    docker_config: str = field(default="", repr=False)
    authorities: str = ""
    privileged: bool = False
    timeout: timedelta = timedelta(hours=1)


@dataclass
class KanikoJobs:
    """Implements ``ports.ImageBuilder``. ``wait`` waits until a Job has ended; ``dockerfile`` reads an image's own.

    A Job's name follows from its content: a run that comes after a killed one joins its build.
    """

    cluster: ClusterApi
    wait: Callable[[Ref], WaitResult]
    dockerfile: Callable[[BuiltImage], str]
    place: JobPlace
    options: KanikoOptions
    parallel: int = 4

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        name = _job_name(image, destinations)
        secret = self._secret(name, image)
        if secret is not None:
            self.cluster.apply(secret, force=True)
        job = build_job(name, image, destinations, labels, self.place, self.options, secret)
        try:
            made = self._begin(job)
            if secret is not None:
                self._owned(ref_of(secret), made)
            log.info("image %s: building in %s", image.name, ref_of(made))
            result = self.wait(ref_of(made))
            return self._digest(image, made, result)
        finally:
            if secret is not None:
                self.cluster.delete(ref_of(secret))

    def _begin(self, job: Manifest) -> Manifest:
        ref = ref_of(job)
        there = self.cluster.get(ref)
        if there is not None and not _ended(there):
            log.info("%s is going on already, joining it", ref)
            return there
        if there is not None:
            self.cluster.delete(ref, uid=str(meta(there).get("uid") or ""))
            self._await_gone(ref, there)
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

    def _owned(self, secret: Ref, job: Manifest) -> None:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta(job)["name"], "uid": meta(job)["uid"]}
        self.cluster.patch(secret, {"metadata": {"ownerReferences": [owner]}})

    def _digest(self, image: BuiltImage, job: Manifest, result: WaitResult) -> str:
        obj = f"image {image.name}"
        if not result.ready:
            failure = result.failures[0]
            lines = [str(failure.verdict), *(f"{e.reason}: {e.message}" for e in failure.events[-3:]), *failure.log]
            raise BuildFailed("the build Job failed", obj=obj, reason="\n".join(lines), hint="read the lines above")
        labels = f"batch.kubernetes.io/job-name={meta(job)['name']}"
        for pod in self.cluster.list("v1", "Pod", self.place.namespace, labels=labels).items:
            for state in items(status(pod).get("containerStatuses")):
                text = str(mapping(mapping(state.get("state")).get("terminated")).get("message") or "").strip()
                if re.fullmatch(r"sha256:[0-9a-f]{64}", text):
                    return text
        raise BuildFailed("the build Job ended without telling a digest", obj=obj, hint="is its image Kaniko's?")

    def _secret(self, name: str, image: BuiltImage) -> Manifest | None:
        data = {f"argument.{key}": value for key, value in image.build_args.items()}
        if image.build_contexts:
            data["Dockerfile"] = with_stages(self.dockerfile(image), image.build_contexts)
        if self.place.docker_config:
            data["config.json"] = self.place.docker_config
        if self.place.authorities:
            data["ca.crt"] = self.place.authorities
        if not data:
            return None
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": self.place.namespace, "labels": _labels(image)}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def _ended(job: Manifest) -> bool:
    verdict = judge_object(job)
    return verdict.ready or verdict.fatal or bool(meta(job).get("deletionTimestamp"))


def _job_name(image: BuiltImage, destinations: Sequence[str]) -> str:
    key = parse_reference(destinations[0]).tag.removeprefix("ck-")[:12]
    plain = re.sub(r"[^a-z0-9]+", "-", image.name.lower()).strip("-")[:40] or "image"
    return f"build-{plain}-{key}".strip("-")


def _labels(image: BuiltImage) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", image.name).strip("-_.")[:63]
    return {"app.kubernetes.io/managed-by": "codexctl-ci", "codexctl.io/image": plain}


def build_job(
    name: str,
    image: BuiltImage,
    destinations: Sequence[str],
    labels: Mapping[str, str],
    place: JobPlace,
    options: KanikoOptions,
    secret: Manifest | None,
) -> Manifest:
    """The Job that builds ``image``. Secrets stand in ``secret`` alone, of the same name as the Job."""
    given = mapping((secret or {}).get("data")).keys()
    gathers = bool(image.build_contexts)
    sources = {"name": "workspace", "mountPath": _SOURCE, "subPath": place.sources, "readOnly": True}
    mounts: list[dict[str, Any]] = [sources]
    volumes: list[dict[str, Any]] = [{"name": "workspace", "persistentVolumeClaim": {"claimName": place.claim}}]
    for key, path in (("Dockerfile", _GIVEN), ("config.json", "/kaniko/.docker"), ("ca.crt", f"{_GIVEN}-ca")):
        if key in given:
            volume = re.sub(r"[^a-z]", "-", key.lower())
            volumes.append({"name": volume, "secret": {"secretName": name, "items": [{"key": key, "path": key}]}})
            mounts.append({"name": volume, "mountPath": path, "readOnly": True})
    if gathers:
        volumes.append({"name": "build", "emptyDir": {}})
        mounts.append({"name": "build", "mountPath": _BUILD})
    arguments = kaniko_arguments(
        options,
        context=f"{_BUILD}/context" if gathers else str(PurePosixPath(_SOURCE, image.context)),
        dockerfile=f"{_GIVEN}/Dockerfile" if gathers else str(PurePosixPath(_SOURCE, image.dockerfile)),
        destinations=destinations,
        argument_names=image.build_args,
        labels=labels,
        digest_file="/dev/termination-log",
    )
    kaniko = {
        "name": "kaniko",
        "image": place.image,
        "args": arguments,
        "env": list(_environment(name, image, place, "ca.crt" in given)),
        "volumeMounts": mounts,
        **({"securityContext": {"privileged": True}} if place.privileged else {}),
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [kaniko],
        "volumes": volumes,
    }
    if gathers:
        pod["initContainers"] = [_gather(image, place, sources)]
    marks = _labels(image)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": place.namespace, "labels": marks},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(place.timeout.total_seconds()),
            "ttlSecondsAfterFinished": _KEEP_SECONDS,
            "template": {"metadata": {"labels": marks}, "spec": pod},
        },
    }


def _gather(image: BuiltImage, place: JobPlace, sources: Mapping[str, Any]) -> dict[str, Any]:
    """Brings named contexts into the one context that Kaniko knows."""
    pairs = [word for pair in image.build_contexts.items() if not pair[1].startswith(_IMAGE) for word in pair]
    return {
        "name": "gather",
        "image": place.gather_image,
        "command": ["sh", "-c", _GATHER, "gather", image.context, *pairs],
        "volumeMounts": [dict(sources), {"name": "build", "mountPath": _BUILD}],
    }


def _environment(name: str, image: BuiltImage, place: JobPlace, authorities: bool) -> Iterable[dict[str, Any]]:
    for key in sorted(image.build_args):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            raise CodexctlError(f"{key!r} is no name of a build argument", obj=f"image {image.name}")
        yield {"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": f"argument.{key}"}}}
    for key, value in sorted(place.environ.items()):
        if key not in image.build_args:
            yield {"name": key, "value": value}
    if authorities:
        # Kaniko reads a folder of authorities; a bundle of our own comes beside it.
        yield {"name": "SSL_CERT_DIR", "value": f"/kaniko/ssl/certs:{_GIVEN}-ca"}
