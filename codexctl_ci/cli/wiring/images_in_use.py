"""All images of the project, in every environment and slot, and what of them is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.cluster import open_cluster
from codexctl_ci.cli.wiring.located import SLOT_ENVIRONMENTS
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.cli.wiring.slots import slots_of
from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.images.reference import parse_reference
from codexctl_ci.operations.images_in_use import images_in_use
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_namespace import namespace_ref
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.environments import BUILT_IN
from codexctl_ci.stack.images import ImagePlan, image_plan
from codexctl_ci.stack.project import Project


@dataclass(frozen=True)
class Census:
    """``images`` of all environments and slots; ``used`` as ``GcRules`` has it; ``now`` by the API server's clock."""

    images: ImagePlan
    used: frozenset[str]
    now: datetime


def take_census(inv: Invocation) -> Census:
    """Look into every environment and slot. Raises CodexctlError where one can't be seen: it may use anything."""
    first = open_project(inv)
    images: dict[str, ImagePlan] = {}
    used: set[str] = set()
    moments = []
    for env in dict.fromkeys([*BUILT_IN, *first.spec.environments]):
        project = open_project(inv, env=env)
        server = open_cluster(inv, project.environment)
        moments.append(server.now())
        for place, cluster in _places(inv, project, server):
            images[f"{env} {place.slot}"] = image_plan(place)
            if server.get(namespace_ref(place.namespace)) is not None:
                used.update(_seen(cluster, place.namespace))
    return Census(tuple(image for plan in images.values() for image in plan), frozenset(used), max(moments))


def _places(inv: Invocation, project: Project, server: ClusterApi) -> Iterator[tuple[Project, ClusterApi]]:
    if project.env not in SLOT_ENVIRONMENTS:
        yield project, server
        return
    slots = slots_of(inv, project, server)
    view = slots.store.view()
    for unreadable in view.unreadable.values():
        # What it runs can't be seen.
        raise unreadable.error
    for record in view.slots.values():
        if not record.free:
            yield slots.in_slot(record), deployer(server, record)


def _seen(cluster: ClusterApi, namespace: str) -> Iterator[str]:
    try:
        found = images_in_use(cluster, namespace)
    except ApiError as error:
        raise CodexctlError(
            "what is in use there cannot be seen, so nothing is taken away",
            obj=f"namespace {namespace}",
            reason=f"{error.what}: {error.reason}",
            hint="give this identity the right to list pods and workloads there",
        ) from None
    yield from names_of(found)


def names_of(images: Iterable[str]) -> Iterator[str]:
    """Each image's name without its registry, which has several names, and its digest alone."""
    for image in images:
        if image.startswith("sha256:"):
            yield image
            continue
        try:
            reference = parse_reference(image)
        except ConfigError:
            continue
        yield str(reference).partition("/")[2]
        if reference.digest:
            yield reference.digest
