"""The Kubernetes Job that builds one image with Kaniko, and the Secret that goes with it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.kaniko import KanikoOptions, kaniko_arguments
from codexctl_ci.images.named_contexts import FOLDER, with_stages
from codexctl_ci.readiness.fields import mapping
from codexctl_ci.stack.images import BuiltImage
from codexctl_ci.stack.objects import Manifest

_SOURCE, _BUILD, _GIVEN = "/source", "/build", "/codexctl"
_IMAGE = "docker-image://"
_KEEP_SECONDS = 600
"""How long a Job stays that nobody took away, because whoever began it was killed."""
_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}}
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


def job_name(image: BuiltImage, destinations: Sequence[str]) -> str:
    """The same for the same image, content and tags: a later run finds the build of an earlier one."""
    content = hashlib.sha256("\n".join(destinations).encode()).hexdigest()[:12]
    plain = re.sub(r"[^a-z0-9]+", "-", image.name.lower()).strip("-")[:40].strip("-") or "image"
    return f"build-{plain}-{content}"


def build_secret(name: str, image: BuiltImage, dockerfile: str, place: JobPlace) -> Manifest | None:
    """What only the build may see: arguments, logins; None where there is nothing. ``dockerfile`` is the text."""
    data = {f"argument.{key}": value for key, value in image.build_args.items()}
    if image.build_contexts:
        data["Dockerfile"] = with_stages(dockerfile, image.build_contexts)
    if place.docker_config:
        data["config.json"] = place.docker_config
    if place.authorities:
        data["ca.crt"] = place.authorities
    if not data:
        return None
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": place.namespace, "labels": _labels(image)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


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
        "resources": _RESOURCES,
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
        "resources": _RESOURCES,
    }


def _environment(name: str, image: BuiltImage, place: JobPlace, authorities: bool) -> Iterable[dict[str, Any]]:
    for key in sorted(image.build_args):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            raise ConfigError(f"{key!r} is no name of a build argument", obj=f"image {image.name}")
        yield {"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": f"argument.{key}"}}}
    for key, value in sorted(place.environ.items()):
        if key not in image.build_args:
            yield {"name": key, "value": value}
    if authorities:
        # Kaniko reads a folder of authorities; a bundle of our own comes beside it.
        yield {"name": "SSL_CERT_DIR", "value": f"/kaniko/ssl/certs:{_GIVEN}-ca"}
