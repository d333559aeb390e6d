"""An apply judged before its first write: the server's word on each object that it hasn't accepted before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.operations.apply_object import conflict, explained, is_field_conflict, replaceable
from codexctl_ci.operations.apply_plan import Plan, Step, defines
from codexctl_ci.operations.deletion import terminating
from codexctl_ci.operations.inventory import Entry, key_of
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.prune import made_by_us
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Ref
from codexctl_ci.stack.ownership import has_legacy_fields
from codexctl_ci.stack.plain_objects import plainly_valid


def judge(cluster: ClusterApi, plan: Plan, namespace: str, *, force: bool) -> Plan:
    """``plan`` with the server's verdict on every object whose manifest it hasn't accepted before (dry runs).

    Raises one error for all that is refused; nothing was written.
    """
    missing = {step.ref.name for step in plan.first if step.ref.kind == "Namespace"} - {namespace}
    if plan.home is None or terminating(plan.home):
        missing.add(namespace)
    defined = {kind for step in plan.first for kind in defines(step.manifest)}

    def skipped(step: Step) -> bool:
        return step.ref.namespace in missing or (step.ref.group, step.ref.kind) in defined

    asked = [step for step in plan.steps() if not skipped(step) and plan.inventory.digest(step.ref) != step.digest]
    new = [step for step in asked if key_of(step.ref) not in plan.inventory.entries]
    verdicts = dict.fromkeys(_plain_and_absent(cluster, new, namespace), "plain")
    asked = [step for step in asked if step.ref not in verdicts]
    answers = each(asked, lambda step: _answer(cluster, step, plan.inventory.entries.get(key_of(step.ref)), force))
    errors = [answer for answer in answers if isinstance(answer, CodexctlError)]
    if errors:
        raise together(errors)
    verdicts |= {step.ref: answer for step, answer in zip(asked, answers, strict=True) if isinstance(answer, str)}

    def judged(steps: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(replace(step, verdict=verdicts.get(step.ref, step.verdict)) for step in steps)

    return replace(plan, first=judged(plan.first), layers=tuple(judged(layer) for layer in plan.layers))


def together(errors: Sequence[CodexctlError]) -> CodexctlError:
    """One error for several, of the class of the first; every one of them is in its text."""
    if len(errors) == 1:
        return errors[0]
    kind = ConfigError if any(isinstance(error, ConfigError) for error in errors) else CodexctlError
    return kind(f"{len(errors)} objects can't be applied:\n" + "\n".join(f"- {error}" for error in errors))


def _answer(cluster: ClusterApi, step: Step, entry: Entry | None, force: bool) -> str | CodexctlError:
    try:
        return _verdict(cluster, step, entry, force)
    except ApiError as error:
        # What an earlier object of this stack brings (a role, an account, a namespace) may be what it lacks.
        return "unjudged" if error.status in (403, 404) else explained(error, step.ref)
    except CodexctlError as error:
        return error


def _verdict(cluster: ClusterApi, step: Step, entry: Entry | None, force: bool) -> str:
    try:
        after = cluster.apply(step.manifest, force=force, dry_run=True)
    except ApiError as error:
        if is_field_conflict(error):
            live = cluster.get(step.ref)
            if live is not None and has_legacy_fields(live):
                return "takeover"
            raise conflict(step.ref, error) from None
        if error.status == 422:
            replaceable(cluster, step.manifest, error)
            return "recreate"
        raise
    if not after["metadata"].get("resourceVersion"):
        return "new"
    if entry is not None and entry.uid == after["metadata"]["uid"]:
        return "change"
    # The dry run's answer names us among the managers already: what was there before has to be read.
    live = cluster.get(step.ref)
    return "found" if live is not None and not made_by_us(live, entry) else "change"


def _plain_and_absent(cluster: ClusterApi, steps: Sequence[Step], namespace: str) -> set[Ref]:
    """Those of ``steps`` that need no question, a request saved for most new objects of most stacks: so plain that the
    API accepts them, and surely not there yet."""
    kinds: dict[tuple[str, str], list[Ref]] = defaultdict(list)
    for step in steps:
        if step.ref.namespace == namespace and plainly_valid(step.manifest):
            kinds[step.ref.api_version, step.ref.kind].append(step.ref)

    def absent(kind: tuple[str, str]) -> list[Ref]:
        try:
            there = {item["metadata"]["name"] for item in cluster.list(*kind, namespace).items}
        except ApiError:
            return []
        return [ref for ref in kinds[kind] if ref.name not in there]

    return {ref for refs in each(kinds, absent) for ref in refs}
