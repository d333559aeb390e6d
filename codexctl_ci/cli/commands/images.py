"""Commands for the project's images."""

from __future__ import annotations

from pathlib import PurePosixPath

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.images import BuiltImage, ExternalImage, image_plan
from codexctl_ci.stack.project import Project

Images = tuple[ExternalImage | BuiltImage, ...]


def both(inv: Invocation) -> None:
    """``ci images``: output ``images``, a JSON object from name to reference and digest."""
    _prepare(inv, mirror=inv.settings[o.MIRROR], build=inv.settings[o.BUILD])


def mirror(inv: Invocation) -> None:
    """``images mirror``."""
    _prepare(inv, mirror=True, build=False)


def build(inv: Invocation) -> None:
    """``images build``."""
    _prepare(inv, mirror=False, build=True)


def _prepare(inv: Invocation, *, mirror: bool, build: bool) -> None:
    from codexctl_ci.cli.wiring.images import uses_job
    from codexctl_ci.cli.wiring.places import opened
    from codexctl_ci.cli.wiring.project import open_project

    if build and uses_job(inv) and inv.settings[o.KANIKO_IMAGE]:
        # Jobs run in the environment's namespace: in a slot under its lock, and with its own identity.
        with opened(inv, "images", writes=True) as place:
            prepare_images(inv, place.project, place.cluster, mirror=mirror, build=build)
        return
    prepare_images(inv, open_project(inv), None, mirror=mirror, build=build)


def plan(inv: Invocation) -> None:
    """``images plan``: what would be done and why; nothing is changed."""
    from codexctl_ci.cli.wiring.images import open_recipes, open_registries
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.operations.plan_images import plan_images
    from codexctl_ci.reporting import images_table

    project = open_project(inv)
    images = image_plan(project)
    decisions = plan_images(images, open_registries(inv, project, images), open_recipes(inv, project))
    inv.print(images_table.as_json(decisions) if inv.settings[o.OUTPUT] == "json" else images_table.as_table(decisions))


def prepare_images(
    inv: Invocation,
    project: Project,
    cluster: ClusterApi | None,
    *,
    mirror: bool,
    build: bool,
    folder: PurePosixPath | None = None,
) -> None:
    """Mirror and build what is missing, with outputs and summary. Raises ImagesFailed where some image failed.

    ``cluster`` is the identity that build Jobs go with, None where there are none or our own will do. ``folder``: where
    in the workspace volume they find the sources, if not in the environment's own.
    """
    from codexctl_ci.cli.wiring.images import open_builder, open_recipes, open_registries
    from codexctl_ci.operations.build_images import bring_images, failed
    from codexctl_ci.reporting import images_table

    everything = image_plan(project)
    chosen: Images = tuple(image for image in everything if (mirror if isinstance(image, ExternalImage) else build))
    builds = any(isinstance(image, BuiltImage) for image in chosen)
    registries = open_registries(inv, project, everything)
    results = bring_images(
        chosen,
        registries,
        open_recipes(inv, project),
        open_builder(inv, project, chosen, registries.digest, cluster, folder) if builds else None,
    )
    inv.output(images=images_table.digests(results))
    if results:
        inv.summary(images_table.markdown(results))
        inv.print(images_table.as_table([result.decision for result in results]))
    error = failed(results)
    if error is not None:
        raise error
