"""Builds that nothing uses any more: which they are, and deleting them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from codexctl_ci.operations.parallel import each
from codexctl_ci.ports import ImageStock, StoredImage
from codexctl_ci.stack.image_actions import Collected, StoredBuild

log = logging.getLogger(__name__)

KEY_PREFIX = "ck-"
ABOUT_PREFIX = "sha256-"
"""Begins the tags of what is about the image with this digest: signatures, lists of what refers to it."""


@dataclass(frozen=True, slots=True)
class GcRules:
    """``used`` are images that run or may run: digests, and names without their registry, which may have several.

    ``kept`` are images whose layers count as needed. What is younger than ``age`` at ``now``, or tells no age, stays.
    """

    used: frozenset[str]
    kept: frozenset[str]
    now: datetime
    age: timedelta
    dry_run: bool


def collect_images(stock: ImageStock, repositories: Iterable[str], rules: GcRules) -> Collected:
    """Judge every build in ``repositories`` (whole names without a tag); delete what may go unless it is a dry run.

    A digest goes only with all its tags: one that is no key, or is used, keeps it. What is inside an image that stays
    stays too.
    """
    found: list[tuple[StoredBuild, StoredImage]] = []
    for repository in sorted(set(repositories)):
        judged = _judge(stock, repository, rules)
        stays = _stays(stock, repository, judged, rules)
        tags = {tag for build, _ in judged for tag in build.tags}
        for build, image in judged:
            done = _unless_inside(build, stays)
            if not rules.dry_run:
                done = _carry_out(stock, done, tags, stays)
            if done.outcome == "kept" and build.outcome != "kept":
                stays |= dict.fromkeys(image.manifests, done.why)
            found.append((done, image))
    needed: set[str] = set()
    for image in _others(stock, rules, {build.repository for build, _ in found}):
        needed |= image.blobs.keys()
    for build, image in found:
        if build.outcome == "kept":
            needed |= image.blobs.keys()
    going: dict[str, int] = {}
    for build, image in found:
        if build.outcome != "kept":
            going |= {blob: size for blob, size in image.blobs.items() if blob not in needed}
    return Collected(tuple(build for build, _ in found), sum(going.values()))


def _judge(stock: ImageStock, repository: str, rules: GcRules) -> list[tuple[StoredBuild, StoredImage]]:
    by_digest = _by_digest(stock, repository, stock.tags(repository))
    images = each(by_digest, lambda digest: stock.stored(f"{repository}@{digest}"))
    found = [
        (_verdict(repository, image, sorted(tags), rules), image)
        for tags, image in zip(by_digest.values(), images, strict=True)
        if image is not None
    ]
    # An index before what is inside it: where it stays after all, so does that.
    return sorted(found, key=lambda one: -len(one[1].manifests))


def _stays(
    stock: ImageStock, repository: str, judged: Sequence[tuple[StoredBuild, StoredImage]], rules: GcRules
) -> dict[str, str]:
    """Manifests that stay because an image does that has them inside, or because they run; with the reason."""
    path = repository.partition("/")[2]
    running = {
        name.rpartition("@")[2] for name in rules.used if "@" in name and name.startswith((f"{path}@", f"{path}:"))
    }
    # What runs may have no tag, so that nobody has looked at it yet.
    untagged = sorted(running - {image.digest for _, image in judged})
    found = dict.fromkeys(rules.used, "in use in the cluster")
    for image in each(untagged, lambda digest: stock.stored(f"{repository}@{digest}")):
        found |= dict.fromkeys(image.manifests if image else (), "part of an image in use in the cluster")
    for build, image in judged:
        # What only tells about another image, a signature say, keeps nothing.
        if build.outcome == "kept" and not all(tag.startswith(ABOUT_PREFIX) for tag in build.tags):
            found |= dict.fromkeys(image.manifests, f"part of {build.tags[0]}")
    return found


def _unless_inside(build: StoredBuild, stays: Mapping[str, str]) -> StoredBuild:
    if build.outcome != "planned" or build.digest not in stays:
        return build
    return replace(build, outcome="kept", why=stays[build.digest])


def _by_digest(stock: ImageStock, repository: str, tags: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag, digest in zip(tags, each(tags, lambda tag: stock.digest(f"{repository}:{tag}")), strict=True):
        if digest is not None:
            found.setdefault(digest, []).append(tag)
    return found


def _verdict(repository: str, image: StoredImage, tags: list[str], rules: GcRules) -> StoredBuild:
    def verdict(outcome: str, why: str) -> StoredBuild:
        return StoredBuild(repository, image.digest, tuple(tags), outcome, why, sum(image.blobs.values()))

    others = [tag for tag in tags if not tag.startswith(KEY_PREFIX)]
    if others:
        return verdict("kept", f"tagged {', '.join(others[:3])}")
    path = repository.partition("/")[2]
    if rules.used & {*image.manifests, *image.blobs, *(f"{path}:{tag}" for tag in tags)}:
        return verdict("kept", "in use in the cluster")
    if image.created is None:
        return verdict("kept", "its age is not known")
    age = rules.now - image.created
    if age < rules.age:
        return verdict("kept", f"{_days(age)} old")
    return verdict("planned", f"unused, {_days(age)} old")


def _others(stock: ImageStock, rules: GcRules, seen: Collection[str]) -> list[StoredImage]:
    outside = sorted(image for image in rules.kept if image.rpartition(":")[0] not in seen)
    return [image for image in each(outside, stock.stored) if image is not None]


def _carry_out(stock: ImageStock, build: StoredBuild, known: Collection[str], stays: Mapping[str, str]) -> StoredBuild:
    if build.outcome != "planned":
        return build
    # A build of the same content, begun meanwhile, has found it and given it its tag: look once more just before.
    others = [tag for tag in stock.tags(build.repository) if not tag.startswith(KEY_PREFIX) or tag not in known]
    tagged = _by_digest(stock, build.repository, others)
    taken = tagged.get(build.digest) or _newly_around(stock, build, tagged, known)
    if taken:
        return replace(build, outcome="kept", why=f"just tagged {', '.join(sorted(taken)[:3])}")
    own = {digest for digest, tags in tagged.items() if not all(tag.startswith(ABOUT_PREFIX) for tag in tags)}
    there = stock.delete(build.repository, build.digest, keep=frozenset(own | stays.keys()))
    log.info("%s@%s: deleted, %s", build.repository, build.digest[:19], build.why)
    return replace(build, outcome="deleted" if there else "gone")


def _newly_around(
    stock: ImageStock, build: StoredBuild, tagged: Mapping[str, list[str]], known: Collection[str]
) -> list[str]:
    for digest, tags in tagged.items():
        if not set(known).intersection(tags):
            image = stock.stored(f"{build.repository}@{digest}")
            if image is not None and build.digest in image.manifests:
                return tags
    return []


def _days(age: timedelta) -> str:
    return f"{age.days} days" if age.days != 1 else "1 day"
