"""How often and how long a pod may be in trouble before waiting for it ends.

A state machine without a clock: the caller shows it each state of a pod with the time (monotonic seconds) and asks
whether a budget is spent, and when to ask again should nothing change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from codexctl_ci.readiness.fields import items, mapping, meta, number, spec, status
from codexctl_ci.readiness.pods import Fault, Trouble, pull_cannot_work, troubles
from codexctl_ci.stack.objects import Manifest

_LONG_AGO = 30.0
_LONGEST_LAG = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``restarts`` and ``pulls`` count failures seen; the rest are seconds that a state must last.

    A pod that had spent its restarts before we looked gets ``second_chance`` seconds and one more try: what it needs
    may have come with this very deployment. A container without a readiness probe counts as ready while it runs, also
    until its crash is told: it must have run for ``settle`` seconds, after a crash for ``settle_again``, and for twice
    as long on top as its node took to tell that it runs.
    """

    restarts: int = 3
    pulls: int = 2
    unschedulable: float = 60.0
    config: float = 20.0
    second_chance: float = 60.0
    settle: float = 5.0
    settle_again: float = 10.0


@dataclass(frozen=True, slots=True)
class Start:
    """A container's run: after how many restarts, since when, and how many seconds later it was told."""

    restarts: int
    since: float
    lag: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one pod. Times are monotonic seconds; maps go by container."""

    first_seen: float
    baseline: Mapping[str, int] = field(default_factory=dict)
    pulls: Mapping[str, int] = field(default_factory=dict)
    pulling: frozenset[str] = frozenset()
    config_since: Mapping[str, float] = field(default_factory=dict)
    unschedulable_since: float | None = None
    running: Mapping[str, Start] = field(default_factory=dict)


def remember(memory: Memory | None, pod: Manifest, now: float, wall: datetime | None = None) -> Memory:
    """The memory after having seen ``pod`` at ``now``. ``memory`` is None at first sight.

    ``wall`` is the cluster's time at ``now``: with it a container counts as running since it says so, else since it
    was first seen running.
    """
    if memory is None:
        memory = Memory(now)
    found = troubles(pod)
    baseline = {
        str(state.get("name")): min(
            memory.baseline.get(str(state.get("name")), number(state, "restartCount")), number(state, "restartCount")
        )
        for key in ("initContainerStatuses", "containerStatuses")
        for state in items(status(pod).get(key))
    }
    pulls = dict(memory.pulls)
    pulling = frozenset(t.container for t in found if t.fault is Fault.PULL and t.reason == "ErrImagePull")
    for trouble in found:
        if trouble.fault is not Fault.PULL:
            continue
        if pull_cannot_work(trouble.message):
            # A failed try is the moment of entering ErrImagePull; the back-off after it is no further one.
            fresh = trouble.reason == "ErrImagePull" and trouble.container not in memory.pulling
            pulls[trouble.container] = max(1, pulls.get(trouble.container, 0) + fresh)
        elif trouble.reason == "ErrImagePull":
            pulls.pop(trouble.container, None)
    config = {t.container: memory.config_since.get(t.container, now) for t in found if t.fault is Fault.CONFIG}
    waiting = any(t.fault is Fault.UNSCHEDULABLE for t in found)
    since = memory.unschedulable_since if memory.unschedulable_since is not None else now
    return replace(
        memory,
        baseline=baseline,
        pulls=pulls,
        pulling=pulling,
        config_since=config,
        unschedulable_since=since if waiting else None,
        running=_running(memory, pod, now, wall),
    )


def _running(memory: Memory, pod: Manifest, now: float, wall: datetime | None) -> dict[str, Start]:
    found = {}
    for state in items(status(pod).get("containerStatuses")):
        if "running" not in mapping(state.get("state")):
            continue
        name, restarts = str(state.get("name")), number(state, "restartCount")
        known = memory.running.get(name)
        if known is None or known.restarts != restarts:
            age = _age(mapping(mapping(state.get("state")).get("running")).get("startedAt"), wall)
            # Running for long for sure, or told with some delay: a busy node tells of the crash as late.
            known = (
                Start(restarts, now - age, 0.0) if age >= _LONG_AGO else Start(restarts, now, min(age, _LONGEST_LAG))
            )
        found[name] = known
    return found


def _age(started: object, wall: datetime | None) -> float:
    if wall is None or not isinstance(started, str):
        return 0.0
    try:
        return max(0.0, (wall - datetime.fromisoformat(started)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def settled_at(memory: Memory, pod: Manifest, limits: Limits) -> float:
    """When all containers without a readiness probe will have run for long enough; in the past where they have."""
    probed = {str(each.get("name")) for each in items(spec(pod).get("containers")) if each.get("readinessProbe")}
    return max(
        (
            start.since + 2 * start.lag + (limits.settle_again if start.restarts else limits.settle)
            for name, start in memory.running.items()
            if name not in probed
        ),
        default=memory.first_seen - 1.0,
    )


def spent(memory: Memory, pod: Manifest, now: float, limits: Limits, *, crashes: bool = True) -> Trouble | None:
    """The trouble whose budget is used up, None while there is hope.

    ``crashes`` False leaves crashes out: a Job counts them itself, by its ``backoffLimit``.
    """
    for trouble in troubles(pod):
        if trouble.fault is Fault.CRASH and not crashes:
            continue
        if _over(memory, trouble, now, limits):
            return trouble
    return None


def _over(memory: Memory, trouble: Trouble, now: float, limits: Limits) -> bool:
    match trouble.fault:
        case Fault.HOPELESS:
            return True
        case Fault.PULL:
            return memory.pulls.get(trouble.container, 0) >= limits.pulls and pull_cannot_work(trouble.message)
        case Fault.CRASH:
            seen = trouble.restarts - memory.baseline.get(trouble.container, trouble.restarts)
            old = trouble.restarts >= limits.restarts and seen >= 1
            return seen >= limits.restarts or (old and now - memory.first_seen >= limits.second_chance)
        case Fault.CONFIG | Fault.UNSCHEDULABLE:
            ends = _ends(memory, trouble, limits)
            return ends is not None and now >= ends


def _ends(memory: Memory, trouble: Trouble, limits: Limits) -> float | None:
    if trouble.fault is Fault.CONFIG:
        since = memory.config_since.get(trouble.container)
        return None if since is None else since + limits.config
    if trouble.fault is Fault.UNSCHEDULABLE:
        return None if memory.unschedulable_since is None else memory.unschedulable_since + limits.unschedulable
    if trouble.fault is Fault.CRASH and trouble.restarts >= limits.restarts:
        return memory.first_seen + limits.second_chance
    return None


def wakes_at(memory: Memory, pod: Manifest, now: float, limits: Limits) -> float | None:
    """When a budget of this pod runs out by time alone, None where only a change can spend one."""
    times = [ends for trouble in troubles(pod) if (ends := _ends(memory, trouble, limits)) is not None and ends > now]
    return min(times, default=None)


def uid_of(pod: Manifest) -> str:
    """What tells a pod from its namesake that came before it."""
    return str(meta(pod).get("uid") or meta(pod).get("name") or "")
