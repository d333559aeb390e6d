"""Clearing out a real registry: what is in use there stays, whatever it hangs on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from codexctl_ci.images.connection import Trust
from codexctl_ci.images.credentials import DockerConfig
from codexctl_ci.images.registry import Registries
from codexctl_ci.images.stock import Stock
from codexctl_ci.operations.gc_images import GcRules, collect_images
from tests.support.registry import TestRegistry, running_registry
from tests.support.registry_front import running_front

pytestmark = pytest.mark.sandbox

OLD = "2020-01-01T00:00:00Z"
RULES = GcRules(frozenset(), frozenset(), datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=7), dry_run=False)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def collect(host: str, repository: str) -> dict[str, str]:
    stock = Stock(Registries(Trust(), DockerConfig({})))
    return {
        tag: build.outcome
        for build in collect_images(stock, [f"{host}/{repository}"], RULES).builds
        for tag in build.tags
    }


@pytest.mark.parametrize("whole", [True, False], ids=["all platforms there", "one platform was never there"])
def test_platforms_of_a_tagged_index_stay_under_their_own_tags(registry: TestRegistry, whole: bool) -> None:
    name = f"index-{whole}".lower()
    builds = [registry.push(f"{name}:ck-{n}", {"bin": bytes([n])}, created=OLD) for n in range(3)]
    entries = registry.descriptors(name, builds[:2])
    registry.push_index(f"{name}:v1", entries)
    if not whole:
        url = f"http://{registry.host}/v2/{name}/manifests/{builds[1]}"
        assert registry.http.request("DELETE", url).status == 202
    assert collect(registry.host, name) == {
        "v1": "kept",
        "ck-0": "kept",
        "ck-2": "deleted",
        **({"ck-1": "kept"} if whole else {}),
    }
    inside = [entry["digest"] for entry in json.loads(registry.manifest(name, "v1")[2])["manifests"]]
    assert [registry.manifest(name, digest)[0] for digest in inside] == [200, 200 if whole else 404]


@pytest.mark.parametrize("about", ["api", "list", "cosign"])
def test_what_is_about_a_deleted_build_goes_with_it_unless_it_is_tagged_itself(
    registry: TestRegistry, about: str
) -> None:
    name = f"about-{about}"
    build = registry.push(f"{name}:ck-1", {"bin": b"1"}, created=OLD)
    plain = registry.push_referrer(name, build, "a signature")
    tagged = registry.push_referrer(name, build, "a bill of materials")
    url = f"http://{registry.host}/v2/{name}/manifests/"
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    tags = ["released"] if about != "cosign" else ["released", f"{build.replace(':', '-')}.sbom"]
    for tag in tags:
        registry.http.request("PUT", url + tag, body=registry.manifest(name, tagged)[2], headers=headers)
    listed = registry.descriptors(name, [plain, tagged])
    with running_front(registry.host) as front:
        front.referrers = {build: listed} if about == "api" else None
        if about != "api":
            registry.push_index(f"{name}:{build.replace(':', '-')}", listed)
        found = collect(front.host, name)
    assert found["ck-1"] == "deleted" and found["released"] == "kept"
    assert registry.manifest(name, build)[0] == registry.manifest(name, plain)[0] == 404
    assert registry.manifest(name, "released")[1] == tagged
