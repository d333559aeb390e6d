"""Applying a stack: plan, note what is coming, apply layer by layer, note what came, prune."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.operations.apply_judge import judge, together
from codexctl_ci.operations.apply_object import Applied, Outcome, Tries, apply_object, explained
from codexctl_ci.operations.apply_plan import Layer, Plan, Step, defined_kinds, make_plan
from codexctl_ci.operations.deletion import held_by, terminating, wait_until_gone
from codexctl_ci.operations.inventory import Entry, Inventory, key_of, note_intent, read_inventory, record
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.prune import Pruned, prune
from codexctl_ci.operations.unchanged import unchanged
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref

log = logging.getLogger("codexctl_ci.apply")

_ESTABLISHED = timedelta(minutes=2)
_SECOND_LOOKS = (0.2, 0.5, 1.0, 2.0)


class Hooks(Protocol):
    """What happens around an apply besides applying. ``number`` counts layers from 0."""

    def before_all(self) -> None: ...

    def before_layer(self, number: int) -> None: ...

    def after_layer(self, number: int) -> None: ...

    def after_all(self) -> None: ...


class NoHooks:
    """Nothing around it."""

    def before_all(self) -> None:
        """Nothing."""

    def before_layer(self, number: int) -> None:
        """Nothing."""

    def after_layer(self, number: int) -> None:
        """Nothing."""

    def after_all(self) -> None:
        """Nothing."""


Wait = Callable[[Sequence[Ref]], None]
"""Waits until all are ready, or raises. Called for each layer before the next one begins, and at the end."""


@dataclass(frozen=True)
class ApplyOptions:
    """Where and how a stack is applied.

    ``environment`` and ``namespace`` name the place; ``slot`` (more than 0) makes other managers of fields be
    overruled with a warning. ``whole``: the stack is all of it, no filter left anything out (pruning needs that).
    ``labels`` go onto the namespace where it has to be made.
    """

    environment: str
    namespace: str
    slot: int = 0
    force_conflicts: bool = False
    prune: bool = False
    prune_volumes: bool = False
    whole: bool = True
    tries: Tries = field(default_factory=Tries)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplyResult:
    """What an apply did, object by object, in the stack's order."""

    objects: tuple[Applied, ...]
    pruned: Pruned
    warnings: tuple[str, ...]

    @property
    def refs(self) -> list[Ref]:
        """All objects applied, those to wait for."""
        return [applied.ref for applied in self.objects]

    def count(self, outcome: Outcome) -> int:
        """How many objects came out so."""
        return sum(applied.outcome is outcome for applied in self.objects)

    @property
    def changed(self) -> bool:
        """Whether anything in the cluster is different now."""
        return bool(self.pruned.deleted) or any(a.outcome is not Outcome.UNCHANGED for a in self.objects)


def plan_apply(cluster: ClusterApi, layers: Sequence[Layer], options: ApplyOptions) -> Plan:
    """What an apply would do. Writes nothing; raises what would be refused."""
    inventory, home = _read_place(cluster, options)
    plan = make_plan(cluster, layers, options.namespace, inventory, home)
    force = options.force_conflicts or options.slot > 0
    return judge(cluster, plan, options.namespace, force=force)


def _read_place(cluster: ClusterApi, options: ApplyOptions) -> tuple[Inventory, Manifest | None]:
    """The inventory and the namespace, None where there is none. What goes with a namespace is gone."""
    inventory, home = read_inventory(cluster, options.namespace, options.environment), _home(cluster, options.namespace)
    if home is not None and terminating(home):
        inventory = Inventory(inventory.name, inventory.namespace, {})
    return inventory, home


def _home(cluster: ClusterApi, name: str) -> Manifest | None:
    ref = Ref("v1", "Namespace", name)
    try:
        return cluster.get(ref)
    except ApiError as error:
        if error.status != 403:
            raise
        # Who may not look can't have made it either.
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def apply_stack(
    cluster: ClusterApi,
    layers: Sequence[Layer],
    options: ApplyOptions,
    *,
    wait: Wait | None = None,
    hooks: Hooks | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> ApplyResult:
    """Make the cluster be as ``layers`` say: each layer whole, then ``wait`` for it, then the next.

    Nothing is written where the plan can't be made. An object that was applied unchanged before is not written, nor
    is the inventory. Killed at any point, the same call again completes the work.

    Raises ConfigError, FieldConflict, ImmutableField, ApiError, and whatever ``wait`` and ``hooks`` raise.
    """
    hooks = hooks or NoHooks()
    run = _Run(cluster, options, plan_apply(cluster, layers, options), pause)
    run.make_namespace()
    hooks.before_all()
    run.note()
    run.apply_first()
    plan = run.plan
    last = len(plan.layers) - 1
    for number, steps in enumerate(plan.layers):
        hooks.before_layer(number)
        applied = run.apply_layer(steps)
        hooks.after_layer(number)
        if number < last and wait is not None:
            wait([one.ref for one in applied])
    pruned = run.prune()
    hooks.after_all()
    if wait is not None:
        wait([one.ref for one in run.done])
    return ApplyResult(tuple(run.done), pruned, (*plan.warnings, *(w for one in run.done for w in one.warnings)))


class _Run:
    """One apply under way."""

    def __init__(
        self,
        cluster: ClusterApi,
        options: ApplyOptions,
        plan: Plan,
        pause: Callable[[float], None],
    ) -> None:
        self._cluster = cluster
        self._options = options
        self.plan = plan
        self._inventory = plan.inventory
        self._pause = pause
        self.done: list[Applied] = []

    def make_namespace(self) -> None:
        """See that the environment's namespace is there, from the stack or as a bare one."""
        name = self._options.namespace
        ref = Ref("v1", "Namespace", name)
        found = self.plan.home
        if found is not None and terminating(found):
            log.info("%s is being deleted (%s); waiting until it is gone, to make it anew", ref, held_by(found))
            wait_until_gone(self._cluster, ref, found["metadata"]["uid"])
            found = None
        own = [step for step in self.plan.first if step.ref == ref]
        if own:
            self._all(own)
        elif found is None:
            labels = {"app.kubernetes.io/managed-by": "codexctl-ci", **self._options.labels}
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            try:
                self._cluster.create(manifest)
                log.info("%s created", ref)
            except ApiError as error:
                if error.status != 409:
                    raise

    def note(self) -> None:
        """Note what is about to be made."""
        steps = self.plan.steps()
        found = [step.ref for step in steps if step.verdict == "found"]
        now = self._cluster.now()
        self._inventory = note_intent(self._cluster, self._inventory, [step.ref for step in steps], now, found)

    def apply_first(self) -> None:
        """Namespaces and definitions, and wait until the latter are served."""
        known = {one.ref for one in self.done}
        steps = [step for step in self.plan.first if step.ref not in known]
        self._all(steps)
        definitions = [step.ref for step in self.plan.first if step.ref.kind == "CustomResourceDefinition"]
        if definitions:
            each(definitions, lambda ref: wait_until_established(self._cluster, ref))
            self._await_kinds([kind for step in self.plan.first for kind in defined_kinds(step.manifest)])

    def _await_kinds(self, kinds: Sequence[tuple[str, str]]) -> None:
        """What is established shows in discovery a moment later."""
        for wait in _SECOND_LOOKS:
            if all(self._cluster.namespaced(*kind) is not None for kind in kinds):
                return
            self._cluster.forget_kinds()
            if all(self._cluster.namespaced(*kind) is not None for kind in kinds):
                return
            self._pause(wait)

    def apply_layer(self, steps: Sequence[Step]) -> list[Applied]:
        """A whole layer at once; what it lacked of its own neighbours is tried again."""
        return self._all(steps)

    def prune(self) -> Pruned:
        """Remove what is no longer rendered, and write the inventory."""
        pruned = Pruned()
        rendered = self.plan.keys()
        if self._options.prune and self._options.whole:
            pruned = prune(
                self._cluster,
                self.plan.inventory,
                [entry for key, entry in self.plan.inventory.entries.items() if key not in rendered],
                applied={one.uid for one in self.done},
                volumes=self._options.prune_volumes,
            )
        self._record(gone=pruned.gone)
        return pruned

    def _all(self, steps: Sequence[Step]) -> list[Applied]:
        # Looked at here and not in the plan: hooks have run since.
        same = unchanged(self._cluster, steps, self.plan.inventory, self._options.namespace)
        left, found = [step for step in steps if step.ref not in same], list(same.values())
        errors: list[CodexctlError] = []
        try:
            for wait in (*_SECOND_LOOKS, None):
                failed: list[tuple[Step, CodexctlError]] = []
                for _, turn in groupby(left, key=attrgetter("turn")):
                    answers = self._attempts(list(turn))
                    found += [answer for _, answer in answers if isinstance(answer, Applied)]
                    failed += [(step, answer) for step, answer in answers if isinstance(answer, CodexctlError)]
                    if not all(_may_come(error) for _, error in failed):
                        break
                again = [s for s, a in failed if wait is not None and _may_come(a)]
                errors += [a for s, a in failed if s not in again]
                if not again or errors:
                    errors += [a for s, a in failed if s in again]
                    break
                left = again
                self._pause(wait or 0)
        finally:
            order = {step.ref: place for place, step in enumerate(steps)}
            found.sort(key=lambda one: order[one.ref])
            self._keep(found)
            if errors:
                self._record()
        if errors:
            raise together(errors)
        return found

    def _attempts(self, steps: Sequence[Step]) -> list[tuple[Step, Applied | CodexctlError]]:
        return list(zip(steps, each(steps, self._attempt), strict=True))

    def _attempt(self, step: Step) -> Applied | CodexctlError:
        try:
            return self._apply(step)
        except ApiError as error:
            return explained(error, step.ref)
        except CodexctlError as error:
            return error

    def _apply(self, step: Step) -> Applied:
        options = self._options
        before = self.plan.inventory.entries.get(key_of(step.ref))
        applied = apply_object(
            self._cluster,
            step.manifest,
            force=options.force_conflicts,
            overrule=options.slot > 0,
            tries=options.tries,
            uid=before.uid if before is not None else "",
        )
        level = logging.DEBUG if applied.outcome is Outcome.UNCHANGED else logging.INFO
        log.log(level, "%s %s", applied.ref, applied.outcome)
        for warning in applied.warnings:
            log.warning("%s", warning)
        return applied

    def _keep(self, applied: list[Applied]) -> None:
        self.done += applied

    def _is_found(self, step: Step) -> bool:
        entry = self.plan.inventory.entries.get(key_of(step.ref))
        return step.verdict == "found" or (step.verdict == "unjudged" and entry is not None and entry.found)

    def _record(self, gone: Sequence[tuple[str, str, str, str]] = ()) -> None:
        steps = {step.ref: step for step in self.plan.steps()}
        entries = [
            Entry(one.ref, one.uid, steps[one.ref].digest, steps[one.ref].layer)
            for one in self.done
            if one.uid and (one.outcome is Outcome.RECREATED or not self._is_found(steps[one.ref]))
        ]
        self._inventory = record(self._cluster, self._inventory, entries, gone)


def wait_until_established(cluster: ClusterApi, ref: Ref) -> None:
    """Wait until the API serves a CustomResourceDefinition. Raises CodexctlError after two minutes."""
    chosen = f"metadata.name={ref.name}"
    listing = cluster.list(ref.api_version, ref.kind, fields=chosen)
    if any(_established(item) for item in listing.items):
        return
    watch = cluster.watch(
        ref.api_version, ref.kind, since=listing.resource_version, fields=chosen, timeout=_ESTABLISHED
    )
    for change in watch:
        if _established(change.object):
            watch.close()
            return
    raise CodexctlError(
        "is not served by the API", obj=str(ref), hint="kubectl describe it: its names may be taken by another"
    )


def _established(definition: Manifest) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(row.get("type") == "Established" and row.get("status") == "True" for row in conditions)


def _may_come(error: CodexctlError) -> bool:
    """Whether what was lacking may be on its way with the same layer: a role, an account, a namespace, a kind."""
    return isinstance(error, ApiError) and error.status in (403, 404)
