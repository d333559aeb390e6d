"""Which builds go from a registry, and what becomes reclaimable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.operations.gc_images import GcRules, collect_images
from codexctl_ci.ports import StoredImage

NOW = datetime(2026, 1, 20, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
API, CK = "r:5000/shop/api", "ck-"


@dataclass
class Stock:
    """A registry in memory: tags of repositories, and what is stored by digest. ``on_delete`` happens meanwhile."""

    tagged: dict[str, dict[str, str]] = field(default_factory=dict)
    things: dict[str, StoredImage] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    meanwhile: dict[str, tuple[str, str]] = field(default_factory=dict)
    told_to_keep: set[str] = field(default_factory=set)

    def add(self, repository: str, digest: str, *tags: str, created: datetime | None = OLD, **blobs: int) -> None:
        self.tagged.setdefault(repository, {}).update(dict.fromkeys(tags, digest))
        self.things[digest] = StoredImage(digest, created, blobs, frozenset({digest, f"{digest}-amd64"}))

    def add_index(self, repository: str, digest: str, inside: Collection[str], *tags: str) -> None:
        self.add(repository, digest, *tags)
        self.things[digest] = replace(self.things[digest], manifests=frozenset({digest, *inside}))

    def tags(self, repository: str) -> list[str]:
        return list(self.tagged.get(repository, {}))

    def digest(self, image: str) -> str | None:
        repository, _, tag = image.rpartition(":")
        return self.tagged.get(repository, {}).get(tag)

    def stored(self, image: str) -> StoredImage | None:
        _, at, digest = image.partition("@")
        return self.things.get(digest if at else self.digest(image) or "")

    def delete(self, repository: str, digest: str, *, keep: Collection[str] = ()) -> bool:
        assert digest not in keep
        self.deleted.append(digest)
        self.told_to_keep = set(keep)
        tags = self.tagged[repository]
        self.tagged[repository] = {tag: each for tag, each in tags.items() if each != digest}
        tag, other = self.meanwhile.get(digest, ("", ""))
        if tag:
            self.tagged[repository][tag] = other
        return self.things.pop(digest, None) is not None


def outcomes(stock: Stock, *used: str, dry_run: bool = False, kept: frozenset[str] = frozenset()) -> Mapping[str, str]:
    rules = GcRules(frozenset(used), kept, NOW, timedelta(days=7), dry_run)
    return {build.digest: build.outcome for build in collect_images(stock, [API], rules).builds}


def test_only_what_is_old_unused_and_without_another_tag_goes() -> None:
    stock = Stock()
    stock.add(API, "tagged", "ck-1", "v1")
    stock.add(API, "old", "ck-2")
    stock.add(API, "young", "ck-3", created=NOW - timedelta(days=6))
    stock.add(API, "undated", "ck-4", created=None)
    stock.add(API, "foreign", "release-1")
    assert outcomes(stock, dry_run=True)["old"] == "planned" and stock.deleted == []
    assert outcomes(stock) == {
        "tagged": "kept",
        "old": "deleted",
        "young": "kept",
        "undated": "kept",
        "foreign": "kept",
    }
    assert stock.deleted == ["old"]


@pytest.mark.parametrize("used", ["one", "one-amd64", "layer", "shop/api:ck-1"])
def test_what_a_slot_or_environment_uses_stays_however_it_is_named(used: str) -> None:
    stock = Stock()
    stock.add(API, "one", "ck-1", layer=1)
    assert outcomes(stock, used) == {"one": "kept"}
    assert outcomes(stock, "other") == {"one": "deleted"}


def test_build_that_was_tagged_while_others_were_deleted_stays() -> None:
    stock = Stock(meanwhile={"first": ("v9", "second")})
    stock.add(API, "first", "ck-1")
    stock.add(API, "second", "ck-2", layer=7)
    rules = GcRules(frozenset(), frozenset(), NOW, timedelta(days=7), dry_run=False)
    done = collect_images(stock, [API], rules)
    assert [(build.outcome, build.why) for build in done.builds][1] == ("kept", "just tagged v9")
    assert stock.deleted == ["first"] and done.reclaimable == 0


@pytest.mark.parametrize(
    "tags", [("v1",), ("ck-9",), ()], ids=["tagged", "used by its tag's name", "used without a tag"]
)
def test_what_is_inside_an_image_that_stays_stays(tags: tuple[str, ...]) -> None:
    stock = Stock()
    for digest in ("amd64", "arm64", "other"):
        stock.add(API, digest, f"ck-{digest}")
    stock.add_index(API, "index", ["amd64", "arm64"], *tags)
    used = {(): "shop/api@index", ("ck-9",): "shop/api:ck-9"}.get(tags, "nothing")
    assert outcomes(stock, used, dry_run=True)["amd64"] == "kept"
    found = outcomes(stock, used)
    assert (found["amd64"], found["arm64"], found["other"]) == ("kept", "kept", "deleted")
    assert stock.deleted == ["other"]
    # What tells about it would go with it, but not where that is in use itself.
    assert stock.told_to_keep >= {"index", "amd64", "arm64"}


def test_what_is_inside_an_image_that_was_tagged_meanwhile_stays() -> None:
    stock = Stock(meanwhile={"first": ("v9", "index")})
    stock.add(API, "first", "ck-1")
    stock.add(API, "amd64", "ck-2")
    stock.things["index"] = StoredImage("index", OLD, {}, frozenset({"index", "amd64"}))
    rules = GcRules(frozenset(), frozenset(), NOW, timedelta(days=7), dry_run=False)
    done = {build.digest: build.why for build in collect_images(stock, [API], rules).builds}
    assert stock.deleted == ["first"] and done["amd64"] == "just tagged v9"


def test_unused_index_goes_with_the_builds_inside_it() -> None:
    stock = Stock()
    stock.add(API, "amd64", "ck-1")
    stock.add_index(API, "index", ["amd64"], "ck-2")
    assert outcomes(stock) == {"index": "deleted", "amd64": "deleted"}
    stock.add(API, "amd64", "ck-1")
    stock.add_index(API, "index", ["amd64"], "ck-2")
    stock.meanwhile = {"first": ("v9", "index")}
    stock.add(API, "first", "ck-0")
    stock.things["first"] = replace(stock.things["first"], manifests=frozenset({"first", "a", "b", "c"}))
    assert outcomes(stock) == {"first": "deleted", "index": "kept", "amd64": "kept"}


def test_signature_keeps_nothing_of_what_it_is_about() -> None:
    stock = Stock()
    stock.add(API, "one", "ck-1")
    stock.add(API, "note", "sha256-abc.sig")
    stock.add_index(API, "list", ["note", "one"], "sha256-abc")
    assert outcomes(stock)["one"] == "deleted"
    assert not stock.told_to_keep


def test_reclaimable_is_what_nothing_else_needs() -> None:
    stock = Stock()
    stock.add(API, "kept", "v1", shared=10, own=1)
    stock.add(API, "first", "ck-1", shared=10, first=100, both=1000)
    stock.add(API, "second", "ck-2", both=1000, base=10_000)
    stock.add("r:5000/mirror/base", "base", "1", base=10_000)
    for dry_run in (True, False):
        rules = GcRules(frozenset(), frozenset({"r:5000/mirror/base:1"}), NOW, timedelta(days=7), dry_run)
        assert collect_images(stock, [API, API], rules).reclaimable == 1100
