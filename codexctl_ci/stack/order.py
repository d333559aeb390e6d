"""In which order a stack is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.references import deploy_rank
from codexctl_ci.stack.schema import DEPLOY_GROUPS, HookStep, InfraGroup, ServiceSpec

ItemKind = Literal["infrastructure", "service"]


@dataclass(frozen=True)
class Hooks:
    """An item's steps, without those whose ``when`` says no."""

    before_apply: tuple[HookStep, ...] = ()
    after_apply: tuple[HookStep, ...] = ()
    before_destroy: tuple[HookStep, ...] = ()
    after_destroy: tuple[HookStep, ...] = ()


@dataclass(frozen=True)
class Item:
    """A group or service as it is to be applied. Within a layer those of one ``turn`` go at once, the lowest first."""

    name: str
    kind: ItemKind
    manifests: tuple[Manifest, ...]
    hooks: Hooks = field(default_factory=Hooks)
    turn: int = 0


@dataclass(frozen=True)
class Layer:
    """Items that are applied together; the next layer waits for all of them."""

    name: str
    items: tuple[Item, ...]

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The objects of all items, in order."""
        return tuple(manifest for item in self.items for manifest in item.manifests)


def in_layers(
    items: Sequence[Item],
    infrastructure: Iterable[InfraGroup],
    services: Iterable[ServiceSpec],
    *,
    as_written: bool = False,
) -> tuple[Layer, ...]:
    """``items`` in the order of deployment.

    Where the stack knows neither ``deployGroup`` nor ``dependsOn``, all of it is one layer: infrastructure, then
    services; with ``as_written`` one item after the other. Otherwise: infrastructure, then services by deploy group,
    and within these a layer for each step of ``dependsOn``.
    """
    groups: dict[str, str | None] = {service.name.lower(): service.deploy_group for service in services}
    wanted = {group.name.lower(): group.depends_on for group in infrastructure}
    wanted |= {service.name.lower(): service.depends_on for service in services}
    if not any(groups.values()) and not any(wanted.values()):
        turns = (number if as_written else int(item.kind == "service") for number, item in enumerate(items))
        ordered = tuple(replace(item, turn=turn) for item, turn in zip(items, turns, strict=True))
        return (Layer("stack", ordered),) if items else ()
    depths = _Depths({name: [other.lower() for other in others] for name, others in wanted.items()}, groups)
    found: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        name = item.name.lower()
        stage = -1 if item.kind == "infrastructure" else deploy_rank(groups.get(name))
        found.setdefault((stage, depths.of(name)), []).append(item)
    layers = []
    seen: dict[int, int] = {}
    for stage, depth in sorted(found):
        seen[stage] = seen.get(stage, 0) + 1
        title = "infrastructure" if stage < 0 else DEPLOY_GROUPS[stage]
        name = title if seen[stage] == 1 else f"{title} {seen[stage]}"
        layers.append(Layer(name, tuple(found[stage, depth])))
    return tuple(layers)


class _Depths:
    """How many steps of ``dependsOn`` stand before an item within its own stage."""

    def __init__(self, edges: dict[str, list[str]], groups: dict[str, str | None]) -> None:
        self._edges = edges
        self._groups = groups
        self._known: dict[str, int] = {}

    def of(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 0  # a cycle has been refused before
            stage = self._stage(name)
            same = [
                other for other in self._edges.get(name, ()) if other in self._edges and self._stage(other) == stage
            ]
            self._known[name] = max((self.of(other) + 1 for other in same), default=0)
        return self._known[name]

    def _stage(self, name: str) -> int:
        return deploy_rank(self._groups[name]) if name in self._groups else -1
