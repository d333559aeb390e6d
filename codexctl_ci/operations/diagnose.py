"""Why an object is not ready: its events and the last lines of the container that failed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from codexctl_ci.errors import CodexctlError
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import mapping, meta, number
from codexctl_ci.readiness.outcome import EventLine, Failure
from codexctl_ci.readiness.verdict import Verdict
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger(__name__)

LOG_LINES = 30
_EVENTS = 10
_AT_MOST = 10
# Evidence is welcome, but the verdict must not wait for a node that doesn't answer.
_SECONDS = 4.0


def diagnose(cluster: ClusterApi, found: Sequence[tuple[Ref, Verdict, tuple[str, ...]]]) -> tuple[Failure, ...]:
    """A failure for each (object, verdict, UIDs), in that order; for the first ten with events and log.

    The UIDs are those of the object and of what stands between it and its pods: their events are looked for.

    Takes a few seconds at most: what doesn't come in time is left out.
    """
    failures = [Failure(ref, verdict) for ref, verdict, _ in found]

    def fill(place: int, ref: Ref, verdict: Verdict, uids: tuple[str, ...]) -> None:
        failures[place] = Failure(ref, verdict, events := _events(cluster, ref, verdict, uids))
        log_of, lines = _log(cluster, verdict)
        failures[place] = Failure(ref, verdict, events, lines, log_of)

    threads = [
        threading.Thread(target=fill, args=(place, *one), daemon=True) for place, one in enumerate(found[:_AT_MOST])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SECONDS)
    return tuple(failures)


def _events(cluster: ClusterApi, ref: Ref, verdict: Verdict, uids: tuple[str, ...]) -> tuple[EventLine, ...]:
    asked = [(ref, f"involvedObject.uid={uid}") for uid in uids]
    if verdict.pod is not None and verdict.pod != ref:
        asked.append((verdict.pod, f"involvedObject.name={verdict.pod.name},involvedObject.kind=Pod"))
    found: list[tuple[str, EventLine]] = []
    for about, fields in asked:
        try:
            listing = cluster.list("v1", "Event", about.namespace or "default", fields=fields)
        except CodexctlError as error:
            log.debug("no events of %s: %s", about, error)
            continue
        found += [(_time(event), _line(event)) for event in listing.items]
    found.sort(key=lambda pair: pair[0])
    return tuple(line for _, line in found[-_EVENTS:])


def _time(event: Manifest) -> str:
    last = mapping(event.get("series")).get("lastObservedTime")
    return str(last or event.get("lastTimestamp") or event.get("eventTime") or meta(event).get("creationTimestamp"))


def _line(event: Manifest) -> EventLine:
    about = mapping(event.get("involvedObject"))
    return EventLine(
        kind=str(event.get("type") or "Normal"),
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or "").strip(),
        about=f"{about.get('kind')}/{about.get('name')}",
        count=max(number(event, "count", 1), number(mapping(event.get("series")), "count", 1)),
    )


def _log(cluster: ClusterApi, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    pod = verdict.pod
    if pod is None or not verdict.container:
        return "", ()
    for previous in (True, False) if verdict.crashed else (False, True):
        try:
            text = cluster.logs(pod.namespace, pod.name, verdict.container, tail=LOG_LINES, previous=previous)
        except CodexctlError as error:
            log.debug("no log of %s: %s", pod, error)
            continue
        if text.strip():
            name = f"{pod}, container {verdict.container}" + (" (its previous run)" if previous else "")
            return name, tuple(text.splitlines()[-LOG_LINES:])
    return "", ()
