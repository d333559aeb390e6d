"""Copy an external image into the project's registry, where it isn't there already."""

from __future__ import annotations

from codexctl_ci.operations.plan_images import Digests, decide_copy
from codexctl_ci.ports import ImageRegistry
from codexctl_ci.stack.image_actions import Action, Decision
from codexctl_ci.stack.images import ExternalImage


def mirror_image(image: ExternalImage, registry: ImageRegistry, digests: Digests) -> tuple[Decision, str]:
    """What was done, and the digest that ``image.target`` has now: the source's, with all its platforms."""
    decision = decide_copy(image, digests)
    if decision.action is Action.COPY:
        # By digest: what was decided on is what is copied, wherever the tag goes meanwhile.
        name, _, _ = image.source.partition("@")
        digests.learn(image.target, registry.copy(f"{_untagged(name)}@{decision.digest}", image.target))
    return decision, decision.digest


def _untagged(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]
