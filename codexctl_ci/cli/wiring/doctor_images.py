"""The doctor's checks of registries, builds and the agent's image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.doctor import Check, Finding, Level
from codexctl_ci.operations.doctor_cluster import Stack
from codexctl_ci.stack.images import BuiltImage, ExternalImage
from codexctl_ci.stack.project import Project

if TYPE_CHECKING:
    from codexctl_ci.kube.client import Cluster

_MISSING_IMAGE = "codexctl-ci/doctor:none"


def image_checks(
    inv: Invocation, project: Project, stacks: Sequence[Stack], open_cluster: Callable[[], Cluster]
) -> list[Check]:
    """Registry, pushing to it, Kaniko, and the image that agents work in."""
    from codexctl_ci.cli.wiring.images import open_registries, own_hosts
    from codexctl_ci.images.reference import parse_reference
    from codexctl_ci.stack.images import image_plan

    try:
        images = image_plan(project)
    except CodexctlError as error:
        return [failing("images", "plan", error)]
    one_of_each = {parse_reference(image.reference).host: image.reference for image in images}

    def reach() -> Iterator[Finding]:
        for host in sorted(own_hosts(images)):
            open_registries(inv, project, images).digest(f"{host}/{_MISSING_IMAGE}")
            yield Finding("images", "registry", Level.OK, host)

    def push() -> Iterator[Finding]:
        for host, reference in sorted(one_of_each.items()):
            open_registries(inv, project, images).check_push(reference)
            yield Finding("images", "registry push", Level.OK, f"{host} takes what is pushed")

    def kaniko() -> Iterable[Finding]:
        return _kaniko(inv, any(image.type == "build" for image in images))

    # In-cluster names are often known to runners only.
    level = Level.FAIL if inv.in_actions else Level.WARN
    return [
        Check("images", "registry", reach, level),
        Check("images", "registry push", push, level),
        Check("images", "Kaniko", kaniko),
        *_agent_checks(inv, project, stacks, images, open_cluster),
    ]


def _agent_checks(
    inv: Invocation,
    project: Project,
    stacks: Sequence[Stack],
    images: Sequence[ExternalImage | BuiltImage],
    open_cluster: Callable[[], Cluster],
) -> list[Check]:
    from codexctl_ci.cli.wiring.images import open_registries
    from codexctl_ci.operations import doctor_agent

    what = "agent's image"
    if project.spec.codex.executor == "runner":
        words = "none: the agent works on the runner itself (codex.executor)"
        return [Check("images", what, lambda: [Finding("images", what, Level.OK, words)])]

    def exists(image: str) -> bool | None:
        try:
            return open_registries(inv, project, images).digest(image) is not None
        except CodexctlError:
            return None

    def look() -> Iterable[Finding]:
        return doctor_agent.image(stacks, project.name, open_cluster(), exists, own=project.spec.registry)

    return [Check("images", what, look, Level.WARN)]


def _kaniko(inv: Invocation, builds: bool) -> Iterator[Finding]:
    from codexctl_ci.cli.wiring.images import on_runner, spoils, uses_job

    executor, image = Path(inv.settings[o.KANIKO_EXECUTOR]), inv.settings[o.KANIKO_IMAGE]
    if not builds:
        yield Finding("images", "Kaniko", Level.OK, "nothing is built")
    elif executor.exists() and not image and spoils(inv):
        advice = "name an image for build Jobs in CODEXCTL_KANIKO_IMAGE, or say CODEXCTL_KANIKO_RUNNER=true"
        yield Finding("images", "Kaniko", Level.FAIL, f"{executor} would unpack images over this runner", advice)
    elif not uses_job(inv) and on_runner(inv):
        advice = "have its container thrown away after each job, or name an image for build Jobs: CODEXCTL_KANIKO_IMAGE"
        yield Finding("images", "Kaniko", Level.WARN, f"{executor} unpacks images over this runner's container", advice)
    elif not uses_job(inv):
        yield Finding("images", "Kaniko", Level.OK, f"executor {executor}")
    elif image:
        yield Finding("images", "Kaniko", Level.OK, f"Jobs of {image}")
    else:
        advice = "run this on a runner whose image holds it, or name an image for build Jobs in CODEXCTL_KANIKO_IMAGE"
        level = Level.FAIL if inv.in_actions else Level.WARN
        yield Finding("images", "Kaniko", level, f"no executor at {executor}, and no image for build Jobs", advice)


def failing(area: str, what: str, error: CodexctlError) -> Check:
    """A check that could not even begin."""

    def look() -> Iterable[Finding]:
        raise error

    return Check(area, what, look)
