"""Which objects need no apply: those that were accepted as they are and are in the cluster as they were applied.

Reading the objects of a kind at once costs the API server a fraction of applying each to no effect.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Sequence

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.apply_object import FIELD_MANAGER, Applied, Outcome, is_failed_job
from codexctl_ci.operations.apply_plan import Step
from codexctl_ci.operations.deletion import terminating
from codexctl_ci.operations.inventory import Inventory, key_of
from codexctl_ci.operations.parallel import each
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref, carries
from codexctl_ci.stack.ownership import has_legacy_fields, is_applied_by

_WORTH_A_LIST = 3
_AT_ONCE = 4
"""Few requests, each a fraction of what opening another connection costs."""


def unchanged(cluster: ClusterApi, steps: Iterable[Step], inventory: Inventory, namespace: str) -> dict[Ref, Applied]:
    """Those of ``steps`` that an apply would leave alone, as the cluster is now.

    Of each the same manifest was applied before (``inventory``), and the object has all it says, under our name. What
    can't be read, and whatever is in doubt, is not among them: an apply tells.
    """
    same = [step for step in steps if inventory.digest(step.ref) == step.digest]
    kinds: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in same:
        kinds[(step.ref.api_version, step.ref.kind) if step.ref.namespace == namespace else ("", "")].append(step)
    # Lists of our own namespace only: elsewhere there may be any number of objects that aren't ours.
    listed = {kind: group for kind, group in kinds.items() if kind != ("", "") and len(group) >= _WORTH_A_LIST}
    single = [step for kind, group in kinds.items() if kind not in listed for step in group]
    batches = [*listed.values(), *([step] for step in single)]
    found = [
        live
        for lives in each(batches, lambda batch: _read(cluster, batch, namespace), width=_AT_ONCE)
        for live in lives
    ]
    return {
        step.ref: Applied(step.ref, Outcome.UNCHANGED, live["metadata"]["uid"])
        for step, live in found
        if live["metadata"]["uid"] == inventory.entries[key_of(step.ref)].uid and _as_applied(live, step.manifest)
    }


def _read(cluster: ClusterApi, batch: Sequence[Step], namespace: str) -> list[tuple[Step, Manifest]]:
    """The steps of one kind whose objects are there, with them."""
    ref = batch[0].ref
    try:
        if len(batch) == 1:
            live = cluster.get(ref)
            return [(batch[0], live)] if live is not None else []
        items = cluster.list(ref.api_version, ref.kind, namespace).items
    except ApiError:
        return []
    lives = {item["metadata"]["name"]: item for item in items}
    return [(step, lives[step.ref.name]) for step in batch if step.ref.name in lives]


def _as_applied(live: Manifest, manifest: Manifest) -> bool:
    # Who says nothing but a name owns no field.
    says_more = manifest.keys() - {"apiVersion", "kind", "metadata"} or manifest["metadata"].keys() - {
        "name",
        "namespace",
    }
    return (
        (not says_more or is_applied_by(live, FIELD_MANAGER))
        and not has_legacy_fields(live)
        and not terminating(live)
        and not is_failed_job({"kind": manifest["kind"], "apiVersion": manifest["apiVersion"]} | live)
        and carries(live, _as_stored(manifest))
    )


def _as_stored(manifest: Manifest) -> Manifest:
    """A Secret's texts as the API keeps them; other objects as they are."""
    texts = manifest.get("stringData") if manifest["kind"] == "Secret" else None
    if not isinstance(texts, dict):
        return manifest
    data = {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
    rest = {key: value for key, value in manifest.items() if key != "stringData"}
    return rest | {"data": {**(manifest.get("data") or {}), **data}}
