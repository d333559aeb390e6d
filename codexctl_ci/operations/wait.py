"""Wait until everything that was applied is ready, or say at once why it can't become so."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from codexctl_ci.errors import NotReady
from codexctl_ci.operations.deletion import terminating
from codexctl_ci.operations.diagnose import diagnose
from codexctl_ci.operations.surroundings import Surroundings
from codexctl_ci.operations.watching import Retries, Target, Watches, listed, retried
from codexctl_ci.ports import ClusterApi, Listing
from codexctl_ci.readiness.budgets import Limits
from codexctl_ci.readiness.judge import SETTLING, WITH_PODS, asks_again_at, judge
from codexctl_ci.readiness.kinds import built_in, judge_gone, settled_at_once
from codexctl_ci.readiness.outcome import Snapshot, WaitResult, headline
from codexctl_ci.readiness.verdict import Verdict, ready
from codexctl_ci.stack.objects import Ref

_KEEP_READY = frozenset({"Service", "PersistentVolumeClaim", "CustomResourceDefinition"})
_HEARTBEAT = 30.0
_SEVERAL = 8

OnProgress = Callable[[Snapshot], None]


def wait_until_ready(
    cluster: ClusterApi,
    refs: Iterable[Ref],
    *,
    timeout: timedelta,
    on_progress: OnProgress | None = None,
    retries: Retries | None = None,
    limits: Limits | None = None,
    absent: Callable[[Ref], Verdict] = lambda ref: judge_gone(None),
    clock: Callable[[], float] = time.monotonic,
) -> WaitResult:
    """Watch ``refs`` until all are ready, one has failed for good, or ``timeout``, the whole time, is over.

    Never raises for what isn't ready: the result tells, with events and logs. An object that vanishes is a failure,
    unless it is a Job or pod that had done its work; ``absent`` judges what was gone or going at the start. Transport
    faults are tried again as ``retries`` says; after that they are raised. ``limits``: how long pods in trouble are
    tolerated.
    """
    wait = _Wait(
        cluster, refs, timeout, on_progress or (lambda _: None), retries or Retries(), limits or Limits(), absent, clock
    )
    return wait.run()


def not_ready(result: WaitResult) -> NotReady:
    """The error for a result that isn't ready: names the first objects and their reasons."""
    count, first = len(result.failures), result.failures[:3]
    lines = "; ".join(f"{failure.ref}: {failure.verdict}" for failure in first)
    more = f" and {count - len(first)} more" if count > len(first) else ""
    advice = "raise --wait-timeout if they are only slow" if result.timed_out else "mend what failed, then apply again"
    return NotReady(headline(result), reason=lines + more, hint=f"read the events and logs above; {advice}")


class _Wait:
    def __init__(
        self,
        cluster: ClusterApi,
        refs: Iterable[Ref],
        timeout: timedelta,
        on_progress: OnProgress,
        retries: Retries,
        limits: Limits,
        absent: Callable[[Ref], Verdict],
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._refs = list(dict.fromkeys(refs))
        self._timeout = timeout
        self._tell = on_progress
        self._retries = retries
        self._limits = limits
        self._absent = absent
        self._clock = clock
        self._begun = self._told = clock()
        self._around = Surroundings(cluster)
        self._wakes: dict[Ref, float] = {}
        self._going: set[Ref] = set()
        self._looked = self._begun
        self._verdicts: dict[Ref, Verdict] = {
            ref: ready() for ref in self._refs if settled_at_once(ref.api_version, ref.kind)
        }
        self._watched = frozenset(self._refs) - self._verdicts.keys()

    def run(self) -> WaitResult:
        targets = list(dict.fromkeys([*self._around_targets(), *_targets(self._watched)]))
        starts = self._list(targets)
        self._going = {ref for ref in self._watched if (obj := self._around.find(ref)) is None or terminating(obj)}
        self._judge(self._watched)
        if self._over():
            return self._result()
        with Watches(self._cluster, self._retries) as watches:
            for target in targets:
                if not self._stays_ready(target):
                    watches.follow(target, starts[target])
            while not self._over():
                dirty: set[Ref] = set()
                changes = watches.take(self._patience())
                for change in changes:
                    dirty |= self._around.see(change.object, self._clock(), gone=change.kind == "DELETED")
                self._judge((dirty & self._watched) | self._due())
                self._keep_alive()
        return self._result()

    def _list(self, targets: Collection[Target]) -> dict[Target, Listing]:
        if not targets:
            return {}
        with ThreadPoolExecutor(min(_SEVERAL, len(targets))) as pool:
            pages = pool.map(
                lambda target: retried(lambda: listed(self._cluster, target), self._retries, time.sleep), targets
            )
            starts = dict(zip(targets, pages, strict=True))
        for listing in starts.values():
            for obj in listing.items:
                self._around.see(obj, self._clock(), gone=False)
        return starts

    def _around_targets(self) -> list[Target]:
        """Pods and ReplicaSets of the namespaces with workloads."""
        workloads = [ref for ref in self._watched if ref.kind in WITH_PODS and built_in(ref.api_version)]
        self._around.pods_known = bool(workloads)
        found = {Target("v1", "Pod", ref.namespace) for ref in workloads}
        found |= {Target("apps/v1", "ReplicaSet", ref.namespace) for ref in workloads if ref.kind == "Deployment"}
        return sorted(found)

    def _stays_ready(self, target: Target) -> bool:
        if target.kind not in _KEEP_READY:
            return False
        own = [ref for ref in self._watched if (ref.api_version, ref.kind) == (target.api_version, target.kind)]
        return all(self._verdicts[ref].ready for ref in own)

    def _judge(self, refs: Collection[Ref]) -> None:
        now = self._clock()
        changed = []
        for ref in refs:
            verdict = self._verdict(ref, now)
            if self._verdicts.get(ref) != verdict:
                self._verdicts[ref] = verdict
                changed.append(ref)
        if changed:
            self._report(tuple(sorted(changed)))

    def _verdict(self, ref: Ref, now: float) -> Verdict:
        obj = self._around.find(ref)
        if obj is not None:
            return judge(obj, self._around.of(obj), now, self._limits)
        verdict = judge_gone(self._around.last(ref))
        # What was going before we looked is to be judged as if it had gone before.
        return self._absent(ref) if verdict.reason == "Gone" and ref in self._going else verdict

    def _report(self, changed: tuple[Ref, ...]) -> None:
        self._told = self._clock()
        elapsed = timedelta(seconds=self._told - self._begun)
        self._tell(Snapshot(dict(self._verdicts), elapsed, self._timeout, changed))

    def _keep_alive(self) -> None:
        if self._clock() - self._told >= _HEARTBEAT:
            self._report(())

    def _over(self) -> bool:
        verdicts = self._verdicts.values()
        ended = all(verdict.ready for verdict in verdicts) or any(verdict.fatal for verdict in verdicts)
        return ended or self._left() <= 0

    def _left(self) -> float:
        return self._begun + self._timeout.total_seconds() - self._clock()

    def _unready(self) -> set[Ref]:
        return {ref for ref in self._watched if not self._verdicts[ref].ready}

    def _due(self) -> set[Ref]:
        """Objects whose verdict changes by time alone, however much else goes on."""
        self._looked = self._clock()
        return {ref for ref, at in self._wakes.items() if at <= self._looked}

    def _patience(self) -> float:
        # What became due since the last look, while we judged, must not be passed over.
        self._wakes = {
            ref: at
            for ref in self._unready()
            if (obj := self._around.find(ref)) is not None
            and (at := asks_again_at(obj, self._around.of(obj), self._looked, self._limits)) is not None
        }
        now = self._clock()
        return max(0.0, min([self._left(), _HEARTBEAT, *(at - now for at in self._wakes.values())]))

    def _result(self) -> WaitResult:
        verdicts = {ref: self._verdicts[ref] for ref in self._refs}
        elapsed = timedelta(seconds=self._clock() - self._begun)
        bad = [ref for ref, verdict in verdicts.items() if not verdict.ready]
        fatal = [ref for ref in bad if verdicts[ref].fatal]
        # What failed for good comes first, it may be why others are not ready; what is up, but only just, isn't amiss.
        others = (ref for ref in bad if not verdicts[ref].fatal and verdicts[ref].reason != SETTLING)
        shown = [*fatal, *others] if fatal else bad
        failures = diagnose(self._cluster, [(ref, verdicts[ref], self._around.uids(ref)) for ref in shown])
        return WaitResult(verdicts, elapsed, bool(bad) and not fatal, failures)


def _targets(refs: Iterable[Ref]) -> list[Target]:
    """One watch a kind and namespace; of a kind with a single object only that one."""
    grouped: dict[Target, list[str]] = {}
    for ref in sorted(refs):
        grouped.setdefault(Target(ref.api_version, ref.kind, ref.namespace), []).append(ref.name)
    return [
        replace(target, name=names[0]) if len(names) == 1 and target.kind not in ("Pod", "ReplicaSet") else target
        for target, names in grouped.items()
    ]
