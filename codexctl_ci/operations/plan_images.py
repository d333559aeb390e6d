"""What each image needs: a copy, a build, a tag, or nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.ports import BuildRecipes, ImageRegistry
from codexctl_ci.stack.image_actions import Action, Decision
from codexctl_ci.stack.images import BuiltImage, ExternalImage
from codexctl_ci.stack.made_of import KEY_LABEL, PARTS_LABEL, REVISION_LABEL, SECRET, changes, pack, summary

log = logging.getLogger(__name__)

Image = ExternalImage | BuiltImage


@dataclass
class Digests:
    """Digests of images, each asked for once. Usable from many threads."""

    registry: ImageRegistry
    known: dict[str, Future[str | None]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, image: str) -> str | None:
        """The digest of ``image``, None where there is no such image."""
        with self.lock:
            found = self.known.get(image)
            mine = found is None
            if found is None:
                found = self.known[image] = Future()
        if mine:
            try:
                found.set_result(self.registry.digest(image))
            except Exception as error:  # noqa: BLE001 - whoever waits for the same answer must get it too
                found.set_exception(error)
        return found.result()

    def learn(self, image: str, digest: str) -> None:
        """``image`` has just become ``digest``."""
        done: Future[str | None] = Future()
        done.set_result(digest)
        with self.lock:
            self.known[image] = done


def decide_copy(image: ExternalImage, digests: Digests) -> Decision:
    """Whether ``image`` must be copied. Raises ConfigError where its source doesn't exist."""
    there = digests.of(image.target)
    _, at, pinned = image.source.partition("@")
    wanted = pinned if at else digests.of(image.source)
    if wanted is None:
        raise ConfigError(
            "the source is not there", obj=f"image {image.name}", reason=image.source, hint="check `from`"
        )
    if there == wanted:
        return Decision(image.name, image.target, Action.NONE, "the same digest is there", wanted, image.source)
    why = "not in the registry" if there is None else f"the source has moved from {_short(there)} to {_short(wanted)}"
    return Decision(image.name, image.target, Action.COPY, why, wanted, image.source)


def decide_build(image: BuiltImage, recipes: BuildRecipes, registry: ImageRegistry, digests: Digests) -> Decision:
    """Whether ``image`` must be built. Its bases must be there by now.

    Raises ConfigError where a base isn't.
    """
    bases: dict[str, str] = {}
    for base in recipes.bases(image):
        digest = digests.of(base)
        if digest is None:
            raise ConfigError(
                "a base image is not there",
                obj=f"image {image.name}",
                reason=base,
                hint="check FROM, or mirror it first",
            )
        bases[base] = digest
    key = recipes.key(image, bases)
    digest = digests.of(f"{image.repository}:{key}")
    if digest is None:
        return _build(image, key, recipes.parts(image, bases), recipes.revision(), registry)
    source = f"{image.repository}:{key}"
    if registry.current(image.reference) == digest:
        return Decision(image.name, image.reference, Action.NONE, "the same content is there", digest, source, key)
    return Decision(image.name, image.reference, Action.TAG, f"the same content is there as {key}", digest, source, key)


def _build(image: BuiltImage, key: str, parts: Mapping[str, str], revision: str, registry: ImageRegistry) -> Decision:
    labels = {KEY_LABEL: key, PARTS_LABEL: pack(parts), REVISION_LABEL: revision}
    labels = {name: value for name, value in labels.items() if value}
    try:
        before = registry.labels(image.reference)
    except ApiError as error:
        # It would only say why; whether to build is decided.
        log.debug("image %s: its labels cannot be read: %s", image.name, error)
        before = {}
    said = changes(before.get(PARTS_LABEL, ""), parts)
    secret = [name for name, part in sorted(parts.items()) if part == SECRET]
    if said:
        why = summary(said)
    elif KEY_LABEL in before:
        why = f"{' or '.join(secret)} changed" if secret else "its content is new"
    else:
        why = f"its content is new, and {image.tag} has nothing to compare it with"
    return Decision(image.name, image.reference, Action.BUILD, why, key=key, changed=tuple(said), labels=labels)


def order(images: Sequence[Image], recipes: BuildRecipes) -> dict[str, frozenset[str]]:
    """For each image, by name, the names of those that must be there before it.

    Raises ConfigError for images that wait for each other.
    """
    by_reference = {image.reference: image.name for image in images}
    names = frozenset(image.name for image in images)
    needs: dict[str, frozenset[str]] = {}
    for image in images:
        found: set[str] = set()
        if isinstance(image, BuiltImage):
            found = {*image.needs} & names
            found |= {by_reference[base] for base in recipes.bases(image) if base in by_reference}
        needs[image.name] = frozenset(found - {image.name})
    _refuse_cycles(needs)
    return needs


def _refuse_cycles(needs: Mapping[str, frozenset[str]]) -> None:
    left = dict(needs)
    while left:
        free = [name for name, wanted in left.items() if not wanted & left.keys()]
        if not free:
            circle = _circle(left)
            raise ConfigError("images wait for each other", obj=" -> ".join(circle), hint="break the circle")
        for name in free:
            del left[name]


def _circle(left: Mapping[str, frozenset[str]]) -> list[str]:
    """The names on one circle, the first once more at its end. All in ``left`` stand on one of ``left``."""
    path = [min(left)]
    while True:
        step = min(left[path[-1]] & left.keys())
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)


def plan_images(images: Iterable[Image], registry: ImageRegistry, recipes: BuildRecipes) -> list[Decision]:
    """The decision on each image, in the order in which they would be worked on; nothing is changed.

    What stands on an image that would be built or copied anew is only known after it.
    """
    chosen = list(images)
    needs = order(chosen, recipes)
    digests = Digests(registry)
    decisions: dict[str, Decision] = {}
    waiting = {image.name: image for image in chosen}
    while waiting:
        for name in [name for name in waiting if not needs[name] & waiting.keys()]:
            decisions[name] = _decide(waiting.pop(name), needs[name], decisions, registry, recipes, digests)
    return list(decisions.values())


def _decide(
    image: Image,
    needs: frozenset[str],
    decisions: Mapping[str, Decision],
    registry: ImageRegistry,
    recipes: BuildRecipes,
    digests: Digests,
) -> Decision:
    if isinstance(image, ExternalImage):
        decision = decide_copy(image, digests)
    else:
        unknown = [name for name in sorted(needs) if not decisions[name].digest]
        if unknown:
            why = f"{', '.join(unknown)}, on which it stands, will be built"
            return Decision(image.name, image.reference, Action.BUILD, why)
        decision = decide_build(image, recipes, registry, digests)
    if decision.digest:
        digests.learn(decision.reference, decision.digest)
    return decision


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


class ImagesFailed(CodexctlError):
    """One or more images could not be copied or built."""
