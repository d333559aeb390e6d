"""Bring the project's images into its registry: independent ones in parallel, dependent ones in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from queue import SimpleQueue

from codexctl_ci.durations import format_duration
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.mirror_images import mirror_image
from codexctl_ci.operations.plan_images import Digests, Image, ImagesFailed, decide_build, order
from codexctl_ci.ports import BuildRecipes, ImageBuilder, ImageRegistry
from codexctl_ci.stack.image_actions import Action, Decision, ImageResult
from codexctl_ci.stack.images import BuiltImage, ExternalImage

log = logging.getLogger(__name__)

_AT_ONCE = 8


def bring_images(
    images: Sequence[Image],
    registry: ImageRegistry,
    recipes: BuildRecipes,
    builder: ImageBuilder | None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> list[ImageResult]:
    """Mirror and build ``images``; what is there already costs one HEAD. A result for each, in the order given.

    ``builder`` may be None where nothing is built. A failed one doesn't stop those that don't
    stand on it; its result has the error.
    """
    return _Work(images, registry, recipes, builder, clock).run()


def failed(results: Sequence[ImageResult]) -> ImagesFailed | None:
    """The error for results of which some failed, None where all went well."""
    bad = [result for result in results if result.error]
    if not bad:
        return None
    reason = "\n".join(result.error for result in bad)
    return ImagesFailed(f"{len(bad)} of {len(results)} images failed", reason=reason)


class _Work:
    def __init__(
        self,
        images: Sequence[Image],
        registry: ImageRegistry,
        recipes: BuildRecipes,
        builder: ImageBuilder | None,
        clock: Callable[[], float],
    ) -> None:
        self._images = {image.name: image for image in images}
        self._needs = order(images, recipes)
        self._registry = registry
        self._recipes = recipes
        self._builder = builder
        self._clock = clock
        self._digests = Digests(registry)
        self._at_once = max(_AT_ONCE, builder.parallel if builder else 1)
        self._free = threading.Semaphore(builder.parallel if builder else 1)

    def run(self) -> list[ImageResult]:
        results: dict[str, ImageResult] = {}
        running: set[str] = set()
        ended: SimpleQueue[tuple[str, ImageResult | BaseException]] = SimpleQueue()
        waiting = list(self._images)
        try:
            while waiting or running:
                for name in [name for name in waiting if self._needs[name] <= results.keys()]:
                    broken = [need for need in sorted(self._needs[name]) if results[need].error]
                    if broken:
                        results[name] = self._left_out(name, broken)
                    elif len(running) < self._at_once:
                        running.add(name)
                        # Plain threads that nobody waits for: an interrupt must not hang on a copy that is going on.
                        threading.Thread(target=self._into, args=(ended, name), name=name, daemon=True).start()
                    else:
                        break
                    waiting.remove(name)
                if running:
                    name, outcome = ended.get()
                    running.remove(name)
                    if isinstance(outcome, BaseException):
                        raise outcome
                    results[name] = outcome
        except BaseException:
            if self._builder is not None:
                self._builder.stop()
            raise
        return [results[name] for name in self._images]

    def _into(self, ended: SimpleQueue[tuple[str, ImageResult | BaseException]], name: str) -> None:
        try:
            ended.put((name, self._one(name)))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            ended.put((name, error))

    def _left_out(self, name: str, broken: list[str]) -> ImageResult:
        image = self._images[name]
        action = Action.BUILD if isinstance(image, BuiltImage) else Action.COPY
        why = f"it stands on {', '.join(broken)}"
        return ImageResult(Decision(name, image.reference, action, why), error=f"image {name}: left out, {why}")

    def _one(self, name: str) -> ImageResult:
        image, begun = self._images[name], self._clock()
        decision = Decision(
            name, image.reference, Action.COPY if isinstance(image, ExternalImage) else Action.BUILD, ""
        )
        digest, error = "", ""
        try:
            if isinstance(image, ExternalImage):
                decision, digest = mirror_image(image, self._registry, self._digests)
            else:
                decision = decide_build(image, self._recipes, self._registry, self._digests)
                digest = self._bring(image, decision)
        except CodexctlError as fault:
            error = str(fault) if f"image {name}" in str(fault) else f"image {name}: {fault}"
        took = timedelta(seconds=self._clock() - begun)
        if error:
            log.error("image %s: failed after %s", name, format_duration(took))
        else:
            log.info("image %s: %s, %s (%s)", name, decision.action, decision.why, format_duration(took))
        return ImageResult(decision, digest, took, error)

    def _bring(self, image: BuiltImage, decision: Decision) -> str:
        digest = decision.digest
        if decision.action is Action.TAG:
            digest = self._registry.tag(decision.source, image.tag)
        elif decision.action is Action.BUILD:
            if self._builder is None:
                raise CodexctlError("there is nothing to build it with", obj=f"image {image.name}")
            with self._free:
                log.info("image %s: building, %s", image.name, decision.why)
                digest = self._builder.build(
                    image, (f"{image.repository}:{decision.key}", image.reference), decision.labels
                )
        self._digests.learn(image.reference, digest)
        return digest
