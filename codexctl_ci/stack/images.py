"""The project's images: what is mirrored, what is built and from what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from codexctl_ci.errors import ConfigError, InvalidStack
from codexctl_ci.stack.project import Project


@dataclass(frozen=True)
class ExternalImage:
    """An image that is copied: ``source`` and ``target`` are whole references with a tag or digest."""

    name: str
    source: str
    target: str
    type: Literal["external"] = "external"

    @property
    def reference(self) -> str:
        """What containers name."""
        return self.target


@dataclass(frozen=True)
class BuiltImage:
    """An image that is built. Paths are relative to the project's root.

    ``needs`` are names of images that this one's arguments and contexts name: those must be there first.
    """

    name: str
    repository: str
    tag: str
    dockerfile: str = "Dockerfile"
    context: str = "."
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    type: Literal["build"] = "build"

    @property
    def reference(self) -> str:
        """What containers name."""
        return f"{self.repository}:{self.tag}"


ImagePlan = tuple[ExternalImage | BuiltImage, ...]


def image_plan(project: Project) -> ImagePlan:
    """All images of services.yaml in the order written; ``needs`` of a build names images of this plan.

    Raises InvalidStack where an image lacks what its type needs.
    """
    plan: list[ExternalImage | BuiltImage] = []
    faults = []
    for name, image in project.spec.images.items():
        if image.type == "external" and image.from_ and image.local:
            plan.append(ExternalImage(name, again(project, image.from_), again(project, image.local)))
        elif image.type == "build" and image.repository:
            tag = again(project, image.tag or image.tag_template or "latest")
            plan.append(
                BuiltImage(
                    name,
                    again(project, image.repository),
                    tag.strip(),
                    again(project, image.dockerfile),
                    again(project, image.context),
                    {key: again(project, value) for key, value in image.build_args.items()},
                    {key: again(project, value) for key, value in image.build_contexts.items()},
                )
            )
        else:
            needs = "from and local" if image.type == "external" else "repository"
            faults.append(project.document.finding(("images", name), f"image {name!r} needs {needs}"))
    if faults:
        raise InvalidStack(faults)
    return tuple(_with_needs(image, plan) for image in plan)


def again(project: Project, text: str) -> str:
    """``text`` rendered once more where it took template text from the file's header as written (Go dialect)."""
    if "{{" not in text:
        return text
    try:
        return project.render_text(text, project.document.file)
    except ConfigError:
        return text


def _with_needs(
    image: ExternalImage | BuiltImage, plan: list[ExternalImage | BuiltImage]
) -> ExternalImage | BuiltImage:
    if isinstance(image, ExternalImage):
        return image
    named = {value.removeprefix("docker-image://") for value in _values(image)}
    return replace(image, needs=tuple(o.name for o in plan if o.name != image.name and o.reference in named))


def _values(image: BuiltImage) -> Iterator[str]:
    yield from image.build_args.values()
    yield from image.build_contexts.values()
