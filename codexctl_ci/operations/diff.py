"""What an apply would change, by the server's own dry run. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.apply import ApplyOptions
from codexctl_ci.operations.apply_object import conflict_text, explained, is_field_conflict, replaceable
from codexctl_ci.operations.apply_plan import Layer, Step, make_plan
from codexctl_ci.operations.inventory import read_inventory
from codexctl_ci.operations.parallel import each
from codexctl_ci.operations.prune import spared
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.masking import masked_pair
from codexctl_ci.stack.objects import Manifest, Ref

_SERVER_META = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Fate(StrEnum):
    """What an apply would do to an object."""

    CREATE = "create"
    CHANGE = "change"
    SAME = "same"
    RECREATE = "recreate"
    ORPHAN = "no longer rendered"


@dataclass(frozen=True)
class ObjectDiff:
    """One object before and after, without what the server keeps for itself, values of Secrets masked.

    ``note`` is for people: whose fields would be taken, or why it can't be told.
    """

    ref: Ref
    fate: Fate
    before: Manifest | None = None
    after: Manifest | None = None
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether an apply would change it."""
        return self.fate not in (Fate.SAME, Fate.ORPHAN)


def diff_stack(cluster: ClusterApi, layers: Sequence[Layer], options: ApplyOptions) -> list[ObjectDiff]:
    """A diff of every object of the stack in its order, then what was applied before and is no longer rendered.

    Raises ConfigError or ImmutableField for what an apply would refuse, and ApiError.
    """
    inventory = read_inventory(cluster, options.namespace, options.environment)
    plan = make_plan(cluster, layers, options.namespace, inventory, None)
    found = each(plan.steps(), lambda step: _one(cluster, step))
    rendered = plan.keys()
    if options.whole:
        for key, entry in sorted(inventory.entries.items()):
            if key not in rendered and entry.uid:
                why = spared(entry.ref, options.namespace, options.prune_volumes)
                note = f"--prune leaves it alone: it {why}" if why else "--prune removes it"
                found.append(ObjectDiff(entry.ref, Fate.ORPHAN, note=note))
    return found


def _one(cluster: ClusterApi, step: Step) -> ObjectDiff:
    ref = step.ref
    if cluster.namespaced(ref.api_version, ref.kind) is None:
        return _made(step, None, "its kind comes with the stack itself")
    before = cluster.get(ref)
    note = ""
    try:
        try:
            after = cluster.apply(step.manifest, dry_run=True)
        except ApiError as error:
            if not is_field_conflict(error):
                raise
            note = f"takes {conflict_text(error)}"
            after = cluster.apply(step.manifest, dry_run=True, force=True)
    except ApiError as error:
        if error.status == 404 and before is None:
            return _made(step, None, "its namespace is not there yet")
        if error.status == 422:
            replaceable(cluster, step.manifest, error)
            return _pair(ref, Fate.RECREATE, before, _sent_over(before, step.manifest), "can't be changed in place")
        raise explained(error, ref) from None
    if before is None:
        return _made(step, after, note)
    return _pair(ref, None, before, after, note)


def _made(step: Step, after: Manifest | None, note: str) -> ObjectDiff:
    return _pair(step.ref, Fate.CREATE, None, after or step.manifest, note)


def _pair(ref: Ref, fate: Fate | None, before: Manifest | None, after: Manifest | None, note: str) -> ObjectDiff:
    old, new = _plain(before), _plain(after)
    if fate is None:
        fate = Fate.SAME if old == new else Fate.CHANGE
    old, new = masked_pair(old, new)
    return ObjectDiff(ref, fate, old, new, note)


def _plain(manifest: Manifest | None) -> Manifest | None:
    if manifest is None:
        return None
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _SERVER_META}
    notes = {key: value for key, value in (meta.pop("annotations", None) or {}).items() if key != _LAST_APPLIED}
    if notes:
        meta["annotations"] = notes
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": meta}


def _sent_over(before: Manifest | None, sent: Manifest) -> Manifest:
    """What a recreated object will look like: the manifest, with the old one's defaults where it is silent."""

    def over(old: object, new: object) -> object:
        if isinstance(old, dict) and isinstance(new, dict):
            return {key: over(old.get(key), new[key]) if key in new else old[key] for key in {**old, **new}}
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            return [over(a, b) for a, b in zip(old, new, strict=True)]
        return new

    found = over(before, sent)
    return found if isinstance(found, dict) else sent
