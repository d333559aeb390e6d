"""What an apply will do: every object in its place, and the kinds that the cluster doesn't know."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.inventory import Inventory, Key, digest_of, key_of
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.objects import Manifest, Ref, ref_of

log = logging.getLogger("codexctl_ci.apply")

FIRST = ("Namespace", "CustomResourceDefinition")
"""Kinds that go before all others of the stack: the others can't even be asked for without them."""

_ORDER = {
    kind: place
    for place, kind in enumerate(
        (
            "PriorityClass",
            "StorageClass",
            "ResourceQuota",
            "LimitRange",
            # Its address takes the server longest; all else goes on meanwhile.
            "Service",
            "NetworkPolicy",
            "ServiceAccount",
            "ClusterRole",
            "Role",
            "ClusterRoleBinding",
            "RoleBinding",
            "Secret",
            "ConfigMap",
            "PersistentVolume",
            "PersistentVolumeClaim",
        )
    )
}


class Item(Protocol):
    """A group or service as rendered."""

    @property
    def name(self) -> str: ...

    @property
    def manifests(self) -> Sequence[Manifest]: ...

    @property
    def turn(self) -> int: ...


class Layer(Protocol):
    """Items that are applied together."""

    @property
    def name(self) -> str: ...

    @property
    def items(self) -> Sequence[Item]: ...


@dataclass(frozen=True)
class Step:
    """One object's place in the plan: its layer, and its turn there.

    ``verdict``: what the server said to it (``new change recreate takeover``), ``found`` (a change of what others
    made), ``plain`` (new, and so simple that it wasn't asked), or ``unjudged``: it was accepted as it is before, or its
    namespace or kind comes with the stack itself.
    """

    manifest: Manifest = field(repr=False)
    ref: Ref
    layer: int
    digest: str
    turn: int = 0
    verdict: str = "unjudged"


@dataclass(frozen=True)
class Plan:
    """The whole apply as plain data: ``first`` (namespaces and definitions), then ``layers`` in order, each with its
    name. ``inventory`` is what was applied before, ``home`` the environment's namespace (None: there is none yet)."""

    first: tuple[Step, ...]
    layers: tuple[tuple[Step, ...], ...]
    names: tuple[str, ...]
    warnings: tuple[str, ...]
    inventory: Inventory
    home: Manifest | None

    def steps(self) -> list[Step]:
        """All steps in order."""
        return [*self.first, *(step for layer in self.layers for step in layer)]

    def keys(self) -> set[Key]:
        """All objects of the plan."""
        return {key_of(step.ref) for step in self.steps()}


def make_plan(
    cluster: ClusterApi, layers: Sequence[Layer], namespace: str, inventory: Inventory, home: Manifest | None
) -> Plan:
    """Order the stack's objects. Namespaced ones without a namespace get ``namespace``.

    Raises ConfigError that lists every object of a kind which neither the cluster knows nor the stack defines.
    """
    defined = {kind for layer in layers for item in layer.items for m in item.manifests for kind in defines(m)}
    placed: dict[Key, Step] = {}
    warnings: list[str] = []
    unknown: list[str] = []
    for number, layer in enumerate(layers):
        for item in layer.items:
            for manifest in item.manifests:
                group_kind = (manifest["apiVersion"].rpartition("/")[0], manifest["kind"])
                scoped = defined_scope(cluster, manifest, layers) if group_kind in defined else None
                if scoped is None:
                    scoped = cluster.namespaced(manifest["apiVersion"], manifest["kind"])
                if scoped is None:
                    unknown.append(_unknown(manifest, item.name))
                    continue
                manifest = _in_namespace(manifest, namespace if scoped else "")
                step = Step(manifest, ref_of(manifest), number, digest_of(manifest), item.turn)
                known = placed.get(key_of(step.ref))
                if known is not None and known.digest != step.digest:
                    warnings.append(f"{step.ref} is in the stack more than once; the last one counts ({item.name})")
                    step = Step(manifest, step.ref, known.layer, step.digest, known.turn)
                placed[key_of(step.ref)] = step
    if unknown:
        raise ConfigError("\n".join(unknown), hint="nothing was applied")
    steps = list(placed.values())
    by_layer: list[tuple[Step, ...]] = [
        tuple(sorted((s for s in steps if s.layer == n and s.ref.kind not in FIRST), key=_place))
        for n in range(len(layers))
    ]
    first = tuple(step for step in steps if step.ref.kind in FIRST)
    return Plan(first, tuple(by_layer), tuple(layer.name for layer in layers), tuple(warnings), inventory, home)


def _place(step: Step) -> tuple[int, int]:
    return step.turn, _ORDER.get(step.ref.kind, len(_ORDER))


def defined_kinds(manifest: Manifest) -> list[tuple[str, str]]:
    """``apiVersion`` and kind of all versions that a CustomResourceDefinition brings."""
    spec = manifest.get("spec") or {}
    versions = [f"{spec.get('group')}/{row.get('name')}" for row in spec.get("versions") or [] if row.get("served")]
    return [(version, kind) for version in versions for _, kind in defines(manifest)]


def defines(manifest: Manifest) -> list[tuple[str, str]]:
    """Group and kind that a CustomResourceDefinition brings."""
    if manifest["kind"] != "CustomResourceDefinition":
        return []
    spec = manifest.get("spec") or {}
    return [(str(spec.get("group", "")), str((spec.get("names") or {}).get("kind", "")))]


def defined_scope(cluster: ClusterApi, manifest: Manifest, layers: Sequence[Layer]) -> bool | None:
    """Whether a kind that the stack itself defines lives in namespaces; None where that is not said."""
    wanted = (manifest["apiVersion"].rpartition("/")[0], manifest["kind"])
    for layer in layers:
        for item in layer.items:
            for definition in item.manifests:
                if wanted in defines(definition):
                    return bool((definition.get("spec") or {}).get("scope") == "Namespaced")
    return None


def _unknown(manifest: Manifest, item: str) -> str:
    group, kind = manifest["apiVersion"].rpartition("/")[0], manifest["kind"]
    name = (manifest.get("metadata") or {}).get("name", "?")
    text = f"{item}: {kind}/{name}: the cluster knows no kind {kind} in {manifest['apiVersion']}"
    if "." in group:
        text += f"; its CustomResourceDefinition (of group {group}, like {kind.lower()}s.{group}) is not installed"
    return text


def _in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    meta = manifest["metadata"]
    if namespace and not meta.get("namespace"):
        return manifest | {"metadata": meta | {"namespace": namespace}}
    if not namespace and "namespace" in meta:
        return manifest | {"metadata": {key: value for key, value in meta.items() if key != "namespace"}}
    return manifest
