"""The log of a build Job in ours, line by line while it builds."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from codexctl_ci.errors import ApiError
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import items, mapping, meta, status
from codexctl_ci.stack.objects import Manifest

log = logging.getLogger(__name__)

_LAST_WORDS = 3.0


class BuildLog:
    """While entered, lines of the Job's pod go into our log, the image's name in front. Never fails a build."""

    def __init__(self, cluster: ClusterApi, job: Manifest, image: str) -> None:
        self._cluster = cluster
        self._job = job
        self._image = image
        self._thread = threading.Thread(target=self._follow, name=f"log of {image}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        # The Job's end is seen a moment before the last lines of its pod have come.
        self._thread.join(_LAST_WORDS)

    def _follow(self) -> None:
        try:
            pod = self._started()
            for line in self._cluster.follow(str(meta(self._job)["namespace"]), pod) if pod else ():
                show(self._image, line)
        except ApiError as error:
            log.debug("image %s: its log can't be followed: %s", self._image, error)

    def _started(self) -> str:
        """The name of the Job's pod, once it has begun to build."""
        namespace, labels = str(meta(self._job)["namespace"]), f"batch.kubernetes.io/job-name={meta(self._job)['name']}"
        limit = int(mapping(self._job.get("spec")).get("activeDeadlineSeconds") or 3600)
        listing = self._cluster.list("v1", "Pod", namespace, labels=labels)
        for pod in listing.items:
            if _has_started(pod):
                return str(meta(pod)["name"])
        for change in self._cluster.watch(
            "v1",
            "Pod",
            namespace,
            since=listing.resource_version,
            labels=labels,
            timeout=timedelta(seconds=limit),
            known=listing.items,
        ):
            if _has_started(change.object):
                return str(meta(change.object)["name"])
            if change.kind == "DELETED":
                return ""
        return ""


def show(image: str, line: str) -> None:
    """One line of a build in our log; what the runner would take for a command is broken up."""
    log.info("image %s | %s", image, line.replace("##[", "## ["))


def _has_started(pod: Manifest) -> bool:
    states = [mapping(each.get("state")) for each in items(status(pod).get("containerStatuses"))]
    return any("running" in state or "terminated" in state for state in states)
