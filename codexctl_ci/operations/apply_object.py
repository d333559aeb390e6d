"""Applying one object: server-side, with kubectl's old fields taken over, and Jobs made anew where they must be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.operations.deletion import held_by, terminating, wait_until_gone
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.fields import holds
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from codexctl_ci.stack.ownership import applied_at, has_legacy_fields, named_managers, taken_over

log = logging.getLogger("codexctl_ci.apply")

FIELD_MANAGER = "codexctl-ci"


class Outcome(StrEnum):
    """What an apply did to an object."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    RECREATED = "recreated"


@dataclass(frozen=True)
class Applied:
    """One object after its apply. ``warnings`` are for people."""

    ref: Ref
    outcome: Outcome
    uid: str
    warnings: tuple[str, ...] = ()


class FieldConflict(CodexctlError):
    """Fields of the object belong to another manager and are wanted otherwise there."""


class ImmutableField(CodexctlError):
    """The change touches fields that can't be changed on an object that exists."""


@dataclass(frozen=True)
class Tries:
    """Tries after transport faults, beyond those of the client itself: ``backoff`` is the first pause, then doubled."""

    retries: int = 3
    backoff: timedelta = timedelta(seconds=5)
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)


def apply_object(
    cluster: ClusterApi,
    manifest: Manifest,
    *,
    force: bool = False,
    overrule: bool = False,
    tries: Tries | None = None,
    uid: str = "",
) -> Applied:
    """Apply ``manifest`` so that afterwards it is as written, whatever it was before.

    ``force`` takes fields from other managers silently, ``overrule`` with a warning that names them. ``uid`` is that of
    an object which an earlier run of ours made: a Job of that UID which has failed is made anew. Raises
    FieldConflict, ImmutableField, ConfigError (the API refuses the manifest) or ApiError.
    """
    tries = tries or Tries()
    tried = 0
    while True:
        try:
            return _apply(cluster, manifest, force, overrule, uid)
        except ApiError as error:
            if not error.passing or tried >= tries.retries:
                raise
            wait = tries.backoff.total_seconds() * 2**tried
            tried += 1
            log.warning("%s: %s; again in %.0fs (%d of %d)", ref_of(manifest), error.what, wait, tried, tries.retries)
            tries.pause(wait)


def _apply(cluster: ClusterApi, manifest: Manifest, force: bool, overrule: bool, uid: str) -> Applied:
    ref = ref_of(manifest)
    started = cluster.now().replace(microsecond=0)
    warnings: list[str] = []
    try:
        live = cluster.apply(manifest, force=force)
    except ApiError as error:
        if error.status == 409 and not is_field_conflict(error):
            # Somebody wrote between the server's own read and write: nothing of ours is at stake.
            live = cluster.apply(manifest, force=force)
        elif is_field_conflict(error):
            live = _settle_conflict(cluster, manifest, ref, error, overrule, warnings)
        elif error.status == 422:
            return _settle_refusal(cluster, manifest, ref, error)
        else:
            raise explained(error, ref) from None
    if has_legacy_fields(live):
        live = _take_over(cluster, manifest, ref, live, force or overrule)
    if terminating(live):
        # It took what was written, and takes it away with it.
        log.info("%s is being deleted (%s); waiting until it is gone, to make it anew", ref, held_by(live))
        wait_until_gone(cluster, ref, live["metadata"]["uid"])
        made = cluster.apply(manifest, force=force or overrule)
        return Applied(ref, Outcome.RECREATED, str(made["metadata"].get("uid", "")), tuple(warnings))
    if live["metadata"].get("uid") == uid and is_failed_job(live):
        recreate(cluster, ref, live, "it failed")
        made = cluster.apply(manifest, force=force or overrule)
        return Applied(ref, Outcome.RECREATED, str(made["metadata"].get("uid", "")), tuple(warnings))
    return Applied(ref, _outcome(live, started), str(live["metadata"].get("uid", "")), tuple(warnings))


def _outcome(live: Manifest, started: datetime) -> Outcome:
    """What happened, by the server's own times (whole seconds): an object made since then is new, and so on."""
    made = live["metadata"].get("creationTimestamp")
    if made and datetime.fromisoformat(made) >= started:
        return Outcome.CREATED
    changed = applied_at(live, FIELD_MANAGER)
    return Outcome.CHANGED if changed is not None and changed >= started else Outcome.UNCHANGED


def is_failed_job(live: Manifest) -> bool:
    """Whether the object is a Job that gave up: its controller never tries it again."""
    return bool(live.get("kind") == "Job" and live["apiVersion"].startswith("batch/") and holds(live, "Failed"))


def is_field_conflict(error: ApiError) -> bool:
    """Whether a server-side apply was refused because of other managers' fields."""
    return error.status == 409 and any(cause.kind == "FieldManagerConflict" for cause in error.causes)


def _settle_conflict(
    cluster: ClusterApi, manifest: Manifest, ref: Ref, error: ApiError, overrule: bool, warnings: list[str]
) -> Manifest:
    live = cluster.get(ref)
    if live is not None and has_legacy_fields(live):
        _hand_over(cluster, ref, live)
        try:
            return cluster.apply(manifest)
        except ApiError as second:
            if not is_field_conflict(second):
                raise
            error = second
    if not overrule:
        raise conflict(ref, error) from None
    warnings.append(f"{ref}: took {conflict_text(error)}")
    return cluster.apply(manifest, force=True)


def _take_over(cluster: ClusterApi, manifest: Manifest, ref: Ref, live: Manifest, force: bool) -> Manifest:
    """Make kubectl's old fields ours and apply again, so that those which the manifest lacks go away."""
    _hand_over(cluster, ref, live)
    return cluster.apply(manifest, force=force)


def _hand_over(cluster: ClusterApi, ref: Ref, live: Manifest) -> None:
    for _ in range(5):
        meta = {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "managedFields": taken_over(live, FIELD_MANAGER),
        }
        try:
            cluster.patch(ref, {"metadata": meta})
            log.info("%s: fields of kubectl's client-side apply are ours now", ref)
            return
        except ApiError as error:
            found = cluster.get(ref) if error.conflict else None
            if found is None:
                raise
            live = found
            if not has_legacy_fields(live):
                return


def _settle_refusal(cluster: ClusterApi, manifest: Manifest, ref: Ref, error: ApiError) -> Applied:
    recreate(cluster, ref, replaceable(cluster, manifest, error), "its template changed")
    return Applied(ref, Outcome.RECREATED, str(cluster.apply(manifest)["metadata"]["uid"]))


def replaceable(cluster: ClusterApi, manifest: Manifest, error: ApiError) -> Manifest:
    """The Job that stands in the way of ``manifest``, after the API called it invalid (422).

    Raises ConfigError where it is invalid as such, ImmutableField where only the change is and it is no Job.
    """
    ref = ref_of(manifest)
    live = cluster.get(ref)
    if live is None:
        raise invalid(ref, error) from None
    try:
        cluster.check_new(manifest)
    except ApiError as as_new:
        if as_new.status in (400, 422):
            raise invalid(ref, as_new) from None
        if as_new.passing:
            raise
        # No right to make one: then nothing is deleted either.
        raise immutable(ref, error) from None
    if ref.kind != "Job":
        raise immutable(ref, error) from None
    return live


def recreate(cluster: ClusterApi, ref: Ref, live: Manifest, why: str) -> None:
    """Delete exactly ``live`` and wait until it is gone. Killed after that, the next apply makes the new one."""
    uid = live["metadata"]["uid"]
    log.info("%s: %s; deleting it to make it anew", ref, why)
    cluster.delete(ref, uid=uid)
    wait_until_gone(cluster, ref, uid)


def conflict_text(error: ApiError) -> str:
    """The fields and managers of a conflict: ``.spec.replicas from hpa``."""
    fields = ", ".join(cause.field for cause in error.causes if cause.field) or "fields"
    managers = ", ".join(named_managers([error.reason, *(cause.message for cause in error.causes)]))
    return f"{fields} from {managers or 'another manager'}"


def conflict(ref: Ref, error: ApiError) -> FieldConflict:
    """The error for a conflict: fields, managers, and what to do."""
    return FieldConflict(
        "another manager owns fields that the manifest sets otherwise",
        obj=str(ref),
        reason=conflict_text(error),
        hint="take the fields out of the manifest, or make them yours with --force-conflicts",
    )


def immutable(ref: Ref, error: ApiError) -> ImmutableField:
    """The error for a change that the API forbids: the fields, and what to do."""
    return ImmutableField(
        "fields that can't be changed on an object that exists differ",
        obj=str(ref),
        reason="; ".join(f"{cause.field}: {cause.message}" for cause in error.causes) or error.reason,
        hint="undo the change, give the object another name, or delete it yourself first",
    )


def invalid(ref: Ref, error: ApiError) -> ConfigError:
    """The error for a manifest that the API refuses."""
    reason = "; ".join(f"{cause.field}: {cause.message}" for cause in error.causes if cause.message) or error.reason
    return ConfigError("the API refuses the manifest", obj=str(ref), reason=reason, hint="correct the manifest")


def explained(error: ApiError, ref: Ref) -> CodexctlError:
    """``error`` in terms of the manifest, where the manifest is to blame; else as it is."""
    if error.status in (400, 413):
        return invalid(ref, error)
    return error
