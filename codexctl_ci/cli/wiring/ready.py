"""The steps of ``ensure-ready`` from a command's settings, in a slot or in an environment without slots."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.project import selection_of
from codexctl_ci.cli.wiring.staging import Repairs
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.slot_lock import SlotBusy
from codexctl_ci.operations.sync_sources import DirtyTree
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.records import SlotRecord, SourceTree
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.selection import Selection

log = logging.getLogger(__name__)

Recorder = Callable[[Callable[[SourceTree], SourceTree]], None]


@dataclass
class ReadySteps:
    """Implements the steps. ``cluster`` is the identity to work with, ``server`` the client that was opened.

    ``record`` and ``change`` are the slot's, None where there is no slot; ``check`` refuses writes once its lock is
    lost. ``repairs`` is there in staging.
    """

    inv: Invocation
    project: Project
    cluster: ClusterApi
    server: Cluster
    record: SlotRecord | None = None
    change: Recorder | None = None
    check: Callable[[], None] = lambda: None
    repairs: Repairs | None = None
    _left_alone: bool = False

    def bootstrap(self) -> None:
        """The groups that the environment names, and those that hold the workspace's claim or the registry."""
        from codexctl_ci.cli.wiring.deploy import deploy

        groups = bootstrap_groups(self.inv, self.project)
        if not groups:
            return
        services = tuple(service.name for service in self.project.spec.services)
        selection = Selection(only_infra=groups, skip_services=services)
        deploy(self.inv, self.project, self.cluster, self.server, selection=selection, wait=True)

    def sources(self) -> str:
        """The checkout into the volume; in staging not over a repair's work, which doesn't stop the deploy."""
        from codexctl_ci.cli.wiring.workspace import sync, sync_staging

        if self.repairs is None:
            done = sync(self.inv, self.project, self.cluster, record=self.record, change=self.change, check=self.check)
            return done.commit
        try:
            return sync_staging(self.inv, self.project, self.cluster, self.repairs).commit
        except (SlotBusy, DirtyTree) as taken:
            self._left_alone = True
            told = "the sources in staging's volume are left to a repair; this deploy goes from its own checkout"
            log.warning("%s: %s", told, taken)
            self.inv.summary(f"### Sources\n\nNot copied: {told}. The log says what is in them.")
            return ""

    def images(self) -> None:
        """What is missing in the registry."""
        from codexctl_ci.cli.commands.images import prepare_images
        from codexctl_ci.cli.wiring.images import uses_job
        from codexctl_ci.cli.wiring.workspace import sync_aside

        aside = self._left_alone and uses_job(self.inv)
        folder = sync_aside(self.inv, self.project, self.cluster) if aside else None
        prepare_images(self.inv, self.project, self.cluster, mirror=True, build=True, folder=folder)

    def apply(self) -> bool:
        """The stack, as the filters say."""
        from codexctl_ci.cli.wiring.deploy import deploy

        done = deploy(self.inv, self.project, self.cluster, self.server, selection=selection_of(self.inv))
        log.info("%s in %s: %s", self.project.env, self.project.namespace, done)
        return done.ready


def bootstrap_groups(inv: Invocation, project: Project) -> tuple[str, ...]:
    """Names of infrastructure groups that come before sources and images, in the order written.

    Beside those that the environment names: groups that hold the workspace's claim, or a Service that the host of an
    image names.
    """
    from codexctl_ci.cli.wiring.workspace import claim_of
    from codexctl_ci.stack.images import image_plan

    named = {name.lower() for name in project.environment.slot_bootstrap_infra or ()}
    hosts = {image.reference.partition("/")[0].partition(":")[0] for image in image_plan(project)}
    claim = claim_of(inv, project)
    selection = Selection(skip_services=tuple(service.name for service in project.spec.services))
    found = []
    for item in render(project, selection).items:
        holds = any(_comes_first(manifest, claim, hosts) for manifest in item.manifests)
        if item.name.lower() in named or holds:
            found.append(item.name)
    return tuple(found)


def _comes_first(manifest: dict[str, object], claim: str, hosts: set[str]) -> bool:
    metadata = manifest.get("metadata")
    name = str(metadata.get("name")) if isinstance(metadata, dict) else ""
    if manifest.get("kind") == "PersistentVolumeClaim":
        return name == claim
    return manifest.get("kind") == "Service" and any(host == name or host.startswith(f"{name}.") for host in hosts)


def run_arguments(project: Project) -> str:
    """Options with which later commands find this environment."""
    return f"--env {project.env}" + (f" --slot {project.slot}" if project.slot else "")


def agents_place_is_there(cluster: ClusterApi, namespace: str) -> bool:
    """Whether the namespace has the Deployment that the agent works in."""
    from codexctl_ci.stack.objects import Ref

    return cluster.get(Ref("apps/v1", "Deployment", "codex", namespace)) is not None
