"""What each image needs, and in which order it is brought."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from codexctl_ci.errors import ApiError, CodexctlError, ConfigError
from codexctl_ci.operations.build_images import bring_images, failed
from codexctl_ci.operations.plan_images import order, plan_images
from codexctl_ci.stack.image_actions import ImageResult
from codexctl_ci.stack.images import BuiltImage, ExternalImage
from codexctl_ci.stack.made_of import SECRET
from tests.support.signals import interruptible


@dataclass
class Shelf:
    """A registry in memory; ``asked`` notes every call."""

    images: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    label_sets: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def digest(self, image: str) -> str | None:
        self.asked.append(("head", image))
        return self.images.get(image)

    def current(self, image: str) -> str | None:
        self.asked.append(("get", image))
        return self.images.get(image)

    def tag(self, image: str, tag: str) -> str:
        self.asked.append(("tag", image))
        self.images[f"{image.rpartition(':')[0]}:{tag}"] = self.images[image]
        return self.images[image]

    def labels(self, image: str) -> Mapping[str, str]:
        return self.label_sets.get(image, {})

    def copy(self, source: str, target: str) -> str:
        self.asked.append(("copy", source))
        self.images[target] = source.partition("@")[2]
        return self.images[target]


@dataclass
class Recipes:
    """Bases by image; the key is the content and what the bases are."""

    stands_on: Mapping[str, list[str]] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)

    def bases(self, image: BuiltImage) -> list[str]:
        return self.stands_on.get(image.name, [])

    def key(self, image: BuiltImage, bases: Mapping[str, str]) -> str:
        return "ck-" + "-".join([image.name, self.content.get(image.name, "1"), *bases.values()])

    def parts(self, image: BuiltImage, bases: Mapping[str, str]) -> Mapping[str, str]:
        found = {f"base {name}": digest.removeprefix("sha256:") for name, digest in bases.items()}
        return {"file main.py": self.content.get(image.name, "1"), **self.more, **found}

    def revision(self) -> str:
        return "c0ffee"


@dataclass
class Builder:
    """Builds by noting; ``broken`` images fail. All ``together`` builds must run at once to go on."""

    shelf: Shelf
    parallel: int = 4
    broken: frozenset[str] = frozenset()
    together: threading.Barrier | None = None
    built: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self.stopped.set()

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        if self.together is not None:
            self.together.wait()
        if image.name in self.broken:
            raise CodexctlError("Kaniko ended with exit code 1", obj=f"image {image.name}")
        self.built.append(image.name)
        digest = f"sha256:{image.name}{len(self.built)}"
        for each in destinations:
            self.shelf.images[each] = digest
            self.shelf.label_sets[each] = labels
        return digest


BASE = ExternalImage("base", "up/base:1", "r/base:1")
API = BuiltImage("api", "r/api", "v1")
WEB = BuiltImage("web", "r/web", "v1")
STANDS = {"api": ["r/base:1"], "web": ["r/api:v1"]}


def shelf() -> Shelf:
    return Shelf({"up/base:1": "sha256:b"})


def actions(results: list[ImageResult]) -> list[str]:
    return [result.decision.action.value for result in results]


def test_first_run_copies_and_builds_in_order_and_the_second_asks_once_for_each() -> None:
    registry, recipes = shelf(), Recipes(STANDS)
    builder = Builder(registry)
    # The order written says nothing: what stands on another waits for it.
    images: list[ExternalImage | BuiltImage] = [WEB, API, BASE]
    assert actions(bring_images(images, registry, recipes, builder)) == ["build", "build", "copy"]
    assert builder.built == ["api", "web"]
    registry.asked.clear()
    assert actions(bring_images(images, registry, recipes, builder)) == ["none", "none", "none"]
    heads = [image for verb, image in registry.asked if verb == "head"]
    assert len(heads) == len(set(heads)) == 4
    assert {verb for verb, _ in registry.asked} == {"head", "get"}


def test_same_content_under_another_tag_is_only_tagged() -> None:
    registry, recipes = shelf(), Recipes()
    builder = Builder(registry)
    bring_images([API], registry, recipes, builder)
    (result,) = bring_images([BuiltImage("api", "r/api", "v2")], registry, recipes, builder)
    assert actions([result]) == ["tag"] and registry.images["r/api:v2"] == registry.images["r/api:v1"] == result.digest
    assert builder.built == ["api"]


def test_base_that_moved_builds_what_stands_on_it() -> None:
    registry, recipes = shelf(), Recipes(STANDS)
    builder = Builder(registry)
    bring_images([BASE, API, WEB], registry, recipes, builder)
    registry.images["up/base:1"] = "sha256:c"
    results = bring_images([BASE, API, WEB], registry, recipes, builder)
    assert actions(results) == ["copy", "build", "build"] and "moved from b to c" in results[0].decision.why


def test_reason_to_build_is_what_changed_since_the_image_that_the_tag_names() -> None:
    registry, recipes = shelf(), Recipes(STANDS)
    builder = Builder(registry)

    def why(**content: str) -> list[str]:
        recipes.content.update(content)
        decisions = [result.decision for result in bring_images([BASE, API], registry, recipes, builder)]
        return [decisions[1].why, *decisions[1].changed]

    assert why() == ["its content is new, and v1 has nothing to compare it with"]
    assert why(api="2") == ["main.py changed", "main.py changed"]
    recipes.more["argument TOKEN"] = SECRET
    recipes.more |= {f"file {name}": "1" for name in "abcd"}
    first, *all_of_it = why(api="3")
    assert first == "argument TOKEN is new, a is new, b is new and 3 more" and len(all_of_it) == 6
    # The label can't tell of a secret more than its name.
    assert why(api="3 with another token") == ["main.py changed", "main.py changed"]
    registry.images["up/base:1"] = "sha256:c"
    assert why() == ["base r/base:1 moved from b to c", "base r/base:1 moved from b to c"]
    label = registry.label_sets["r/api:v1"]
    assert label["org.opencontainers.image.revision"] == "c0ffee" and label["io.codexctl.content-key"].startswith("ck-")


def test_secret_that_changed_is_guessed_when_nothing_else_did() -> None:
    registry, recipes = shelf(), Recipes(more={"argument TOKEN": SECRET})
    builder = Builder(registry)
    bring_images([API], registry, recipes, builder)
    registry.images.pop("r/api:ck-api-1")
    (result,) = bring_images([API], registry, recipes, builder)
    assert result.decision.why == "argument TOKEN changed"


def test_reason_that_cannot_be_found_hinders_no_build() -> None:
    class Unreadable(Shelf):
        def labels(self, image: str) -> Mapping[str, str]:
            raise ApiError("GET", status=502, obj=image)

    registry = Unreadable()
    (result,) = bring_images([API], registry, Recipes(), Builder(registry))
    assert result.decision.why.startswith("its content is new") and not result.error


def test_source_pinned_by_digest_is_not_asked_for() -> None:
    registry = Shelf({"r/base:1": "sha256:b"})
    pinned = ExternalImage("base", "up/base:1@sha256:b", "r/base:1")
    assert actions(bring_images([pinned], registry, Recipes(), None)) == ["none"]
    assert registry.asked == [("head", "r/base:1")]
    registry.images.clear()
    bring_images([pinned], registry, Recipes(), None)
    assert registry.asked[-1] == ("copy", "up/base@sha256:b")


def test_independent_builds_run_at_once_and_no_more_than_the_builder_takes() -> None:
    registry = shelf()
    images = [BuiltImage(f"i{n}", f"r/i{n}", "v1") for n in range(3)]
    results = bring_images(images, registry, Recipes(), Builder(registry, together=threading.Barrier(3, timeout=10)))
    assert failed(results) is None
    alone = Builder(registry, parallel=1, together=threading.Barrier(2, timeout=0.1))
    again = Recipes(content={"i0": "2", "i1": "2"})
    with pytest.raises(threading.BrokenBarrierError):
        bring_images(images[:2], registry, again, alone)


def test_failure_leaves_out_what_stands_on_it_and_nothing_else() -> None:
    registry = shelf()
    other = BuiltImage("other", "r/other", "v1")
    results = bring_images(
        [BASE, API, WEB, other], registry, Recipes(STANDS), Builder(registry, broken=frozenset({"api"}))
    )
    assert [bool(result.error) for result in results] == [False, True, True, False]
    error = failed(results)
    assert error is not None and error.exit_code == 1
    text = str(error)
    assert "2 of 4 images failed" in text and text.count("image api") == 1 and "stands on api" in text


def test_interrupt_ends_what_is_being_built() -> None:
    class Endless(Builder):
        def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
            os.kill(os.getpid(), signal.SIGINT)
            assert self.stopped.wait(10)
            raise CodexctlError("the build was stopped", obj=f"image {image.name}")

    registry = shelf()
    builder = Endless(registry)
    with interruptible(), pytest.raises(KeyboardInterrupt):
        bring_images([BuiltImage("other", "r/other", "v1")], registry, Recipes(), builder)
    assert builder.stopped.is_set()


def test_fault_of_ours_in_one_image_is_raised_and_ends_the_builds() -> None:
    class Faulty(Builder):
        def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
            raise AssertionError("a bug")

    registry = shelf()
    builder = Faulty(registry)
    with pytest.raises(AssertionError, match="a bug"):
        bring_images([BuiltImage("other", "r/other", "v1")], registry, Recipes(), builder)
    assert builder.stopped.is_set()


@pytest.mark.parametrize(
    ("image", "recipes"),
    [(ExternalImage("gone", "up/gone:1", "r/gone:1"), Recipes()), (API, Recipes({"api": ["r/gone:1"]}))],
)
def test_source_or_base_that_is_not_there_is_named(image: ExternalImage | BuiltImage, recipes: Recipes) -> None:
    registry = shelf()
    (result,) = bring_images([image], registry, recipes, Builder(registry))
    assert "gone:1" in result.error and image.name in result.error


def test_registry_that_fails_is_an_error_and_not_an_absent_image() -> None:
    class Broken(Shelf):
        def digest(self, image: str) -> str | None:
            raise ApiError("HEAD", status=500, obj=image)

    (result,) = bring_images([API], Broken(), Recipes(), None)
    assert "HEAD" in result.error


def test_circle_is_refused_before_anything_is_done() -> None:
    recipes = Recipes({"api": ["r/web:v1"], "web": ["r/api:v1"]})
    with pytest.raises(ConfigError, match="wait for each other"):
        order([API, WEB], recipes)


def test_plan_says_what_is_known_and_writes_nothing() -> None:
    registry = shelf()
    decisions = plan_images([WEB, API, BASE], registry, Recipes(STANDS))
    assert [(each.name, each.action.value) for each in decisions] == [
        ("base", "copy"),
        ("api", "build"),
        ("web", "build"),
    ]
    assert decisions[2].why == "api, on which it stands, will be built"
    assert {verb for verb, _ in registry.asked} == {"head"}
