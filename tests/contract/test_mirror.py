"""Copying between real registries: who lets us in and how, what refers to an image, networks that break."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.images.connection import Trust
from codexctl_ci.images.credentials import DockerConfig
from codexctl_ci.images.reference import parse_reference
from codexctl_ci.images.referrers import referrers_of
from codexctl_ci.images.registry import Registries
from tests.support.registry import TestRegistry, running_registry
from tests.support.registry_front import running_front
from tests.support.token_server import TokenServer, running_token_server

pytestmark = pytest.mark.sandbox

PLATFORMS = ("linux/amd64", "linux/arm64")
HTPASSWD = "bob:$2b$04$.TIaElHVzO8nlkj75OKZduatJ6lsW/M/ytGgds9JsOrZvye4zgy5W\n"


@dataclass
class World:
    """``open`` lets everybody in, ``token`` and ``basic`` only who has a login."""

    open: TestRegistry
    own: TestRegistry
    token: TestRegistry
    basic: TestRegistry
    tokens: TokenServer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("registries")
    (folder / "htpasswd").write_text(HTPASSWD)
    basic = f"auth: {{htpasswd: {{realm: r, path: {folder}/htpasswd}}}}\n"
    with ExitStack() as stack:
        tokens = stack.enter_context(running_token_server(folder / "tokens"))
        yield World(
            stack.enter_context(running_registry(folder / "open")),
            stack.enter_context(running_registry(folder / "own")),
            stack.enter_context(running_registry(folder / "token", tokens.auth)),
            stack.enter_context(running_registry(folder / "basic", basic)),
            tokens,
        )


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).split("[")[0].replace("_", "-").lower()


def login(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def mirror(folder: Path, source: str, target: str, auths: Mapping[str, object] | None = None, **environ: str) -> int:
    """``images mirror`` of one image with Docker's own logins."""
    (folder / "services.yaml").write_text(
        f'project: shop\nimages: {{it: {{type: external, from: "{source}", local: "{target}"}}}}\n'
    )
    (folder / "config.json").write_text(json.dumps({"auths": auths or {}}))
    given = {"HOME": str(folder), "DOCKER_CONFIG": str(folder), "CODEXCTL_CONFIG": str(folder / "services.yaml")}
    return main(["images", "mirror"], {"PATH": os.environ["PATH"], **given, **environ})


def registries(auths: Mapping[str, object] | None = None) -> Registries:
    return Registries(Trust(), DockerConfig({"auths": auths or {}}))


@pytest.mark.parametrize("kind", ["token", "basic", "refresh token"])
def test_registry_with_a_login_is_copied_to_and_from(
    world: World, name: str, tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    digest = world.open.push(f"{name}:1", {"bin": kind.encode()}, PLATFORMS)
    locked = world.basic if kind == "basic" else world.token
    entry = login("bob", "open sesame" if kind == "basic" else "pass-word")
    auths = {locked.host: {"identitytoken": "refresh-me"} if kind == "refresh token" else entry}
    image, back = f"{locked.host}/{name}:1", f"{world.own.host}/{name}/{kind[:5]}:1"
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", image, auths) == 0
    assert registries(auths).digest(image) == digest
    assert mirror(tmp_path, image, back, auths) == 0
    assert world.own.manifest(f"{name}/{kind[:5]}", "1")[1] == digest
    said = "".join(capfd.readouterr())
    assert not [secret for secret in ("pass-word", "open sesame", "refresh-me", entry["auth"]) if secret in said]


def test_token_is_asked_for_just_what_is_done_and_used_again(world: World, name: str, tmp_path: Path) -> None:
    world.open.push(f"{name}:1", {"bin": b"1"}, PLATFORMS)
    world.tokens.asked.clear()
    auths = {world.token.host: login("bob", "pass-word")}
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", f"{world.token.host}/{name}:1", auths) == 0
    assert sorted(scope for scopes in world.tokens.asked for scope in scopes) == [
        f"repository:{name}:pull",
        f"repository:{name}:pull,push",
    ]


def test_public_image_is_pulled_with_a_token_for_nobody(world: World, name: str, tmp_path: Path) -> None:
    auths = {world.token.host: login("bob", "pass-word")}
    digest = world.open.push(f"{name}:1", {"bin": b"1"})
    public = f"{world.token.host}/public/{name}:1"
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", public, auths) == 0
    assert mirror(tmp_path, public, f"{world.own.host}/{name}:1") == 0
    assert world.own.manifest(name, "1")[1] == digest


@pytest.mark.parametrize("kind", ["token", "basic"])
@pytest.mark.parametrize("password", ["", "wrong-password"])
def test_refused_login_names_registry_and_remedy(
    world: World, name: str, tmp_path: Path, kind: str, password: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world.open.push(f"{name}:1", {"bin": b"1"})
    locked = world.basic if kind == "basic" else world.token
    auths = {locked.host: login("bob", password)} if password else {}
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", f"{locked.host}/{name}:1", auths) == 1
    said = capfd.readouterr().err
    assert "image it" in said and locked.host in said and "config.json" in said and "wrong-password" not in said


def test_login_comes_from_a_helper_program(
    world: World, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    helper = tmp_path / "docker-credential-vault"
    helper.write_text('#!/bin/sh\necho \'{"Username":"bob","Secret":"pass-word"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    digest = world.open.push(f"{name}:1", {"bin": b"1"})
    document = {"credHelpers": {world.token.host: "vault"}}
    found = Registries(Trust(), DockerConfig(document)).copy(
        f"{world.open.host}/{name}:1", f"{world.token.host}/{name}:1"
    )
    assert found == digest and "pass-word" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("there", "here"), [(True, True), (True, False), (False, True), (False, False)])
def test_attestations_and_signatures_come_along(
    world: World, name: str, tmp_path: Path, there: bool, here: bool
) -> None:
    """With the API of referrers and without it, on either side."""
    name = f"{name}-{there}-{here}".lower()
    digest = world.open.push(f"{name}:1", {"bin": b"1"}, PLATFORMS)
    platform = json.loads(world.open.manifest(name, "1")[2])["manifests"][0]["digest"]
    sbom = world.open.push_referrer(name, digest, "a bill of materials")
    signature = world.open.push_referrer(name, sbom, "its signature")
    provenance = world.open.push_referrer(name, platform, "provenance of a platform")
    world.open.push(f"{name}:{digest.replace(':', '-')}.sig", {"signature": b"cosign"})
    about = {digest: [sbom], sbom: [signature], platform: [provenance]}
    with running_front(world.open.host) as source, running_front(world.own.host) as target:
        if there:
            source.referrers = {each: world.open.descriptors(name, found) for each, found in about.items()}
        else:
            for each, found in about.items():
                world.open.push_index(f"{name}:{each.replace(':', '-')}", world.open.descriptors(name, found))
        target.referrers = {} if here else None
        assert mirror(tmp_path, f"{source.host}/{name}:1", f"{target.host}/{name}:1") == 0
        for each, found in about.items():
            reference = parse_reference(f"{target.host}/{name}@{each}")
            assert [entry["digest"] for entry in referrers_of(registries(), reference)] == found
            assert world.own.manifest(name, found[0])[0] == 200
        stand_in = [path for path in target.paths("PUT", "/manifests/sha256-") if not path.endswith(".sig")]
        assert len(stand_in) == (0 if here else 3)
    assert world.own.manifest(name, f"{digest.replace(':', '-')}.sig")[0] == 200


def blobs_put(registry: TestRegistry) -> int:
    return len([path for path in registry.requests("PUT") if "/blobs/" in path])


def test_second_copy_of_the_same_layers_sends_nothing(world: World, name: str, tmp_path: Path) -> None:
    source = f"{world.open.host}/{name}:1"
    world.open.push(f"{name}:1", {"bin": b"1" * 1000}, PLATFORMS)
    assert mirror(tmp_path, source, f"{world.own.host}/{name}:1") == 0
    sent, read = blobs_put(world.own), len(world.open.requests("GET", f"{name}/blobs/"))
    # Another tag, and another repository of the same registry: its blobs are mounted.
    assert mirror(tmp_path, source, f"{world.own.host}/{name}:2") == 0
    assert mirror(tmp_path, f"{world.own.host}/{name}:1", f"{world.own.host}/{name}/other:1") == 0
    assert blobs_put(world.own) == sent and len(world.open.requests("GET", f"{name}/blobs/")) == read
    assert world.own.manifest(f"{name}/other", "1")[1] == world.own.manifest(name, "1")[1]


def test_layer_that_breaks_off_goes_on_from_there(world: World, name: str, tmp_path: Path) -> None:
    digest = world.open.push(f"{name}:1", {"bin": os.urandom(5_000_000)})
    layer = json.loads(world.open.manifest(name, "1")[2])["layers"][0]
    with running_front(world.open.host) as front:
        front.breaks = 4
        assert mirror(tmp_path, f"{front.host}/{name}:1", f"{world.own.host}/{name}:1") == 0
        ranges = [h.get("Range", "") for m, path, h in front.asked if m == "GET" and path.endswith(layer["digest"])]
    assert world.own.manifest(name, "1")[1] == digest
    assert len(ranges) > 1 and ranges[0] == "" and ranges[1] == "bytes=2097152-"


def test_copy_that_failed_goes_on_where_it_was(world: World, name: str, tmp_path: Path) -> None:
    digest = world.open.push(f"{name}:1", {"bin": os.urandom(1000)}, PLATFORMS)
    layers = [
        json.loads(world.open.manifest(name, entry["digest"])[2])["layers"][0]["digest"]
        for entry in json.loads(world.open.manifest(name, "1")[2])["manifests"]
    ]
    kept = world.open.blob(name, layers[1])
    gone = world.open.log.parent / "data" / "docker/registry/v2/blobs/sha256" / layers[1][7:9] / layers[1][7:] / "data"
    gone.rename(gone.with_name("away"))
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", f"{world.own.host}/{name}:1") == 1
    assert world.own.manifest(name, "1")[0] == 404
    read = len(world.open.requests("GET", layers[0]))
    gone.with_name("away").rename(gone)
    assert mirror(tmp_path, f"{world.open.host}/{name}:1", f"{world.own.host}/{name}:1") == 0
    assert world.own.manifest(name, "1")[1] == digest and world.own.blob(name, layers[1]) == kept
    assert read == len(world.open.requests("GET", layers[0])) == 1


def test_throttled_requests_are_made_again(world: World, name: str, tmp_path: Path) -> None:
    digest = world.open.push(f"{name}:1", {"bin": b"1"})
    with running_front(world.open.host) as source, running_front(world.own.host) as target:
        source.throttled, target.throttled = 3, 2
        assert mirror(tmp_path, f"{source.host}/{name}:1", f"{target.host}/{name}:1") == 0
    assert world.own.manifest(name, "1")[1] == digest


def test_docker_hub_comes_from_its_mirror(world: World, name: str, tmp_path: Path) -> None:
    digest = world.open.push(f"cache/library/{name}:1", {"bin": b"1"}, PLATFORMS)
    with running_front(world.open.host) as away, running_front(world.open.host) as there:
        away.away = True
        # The first answers nobody; Docker Hub itself can't be reached from here at all.
        code = mirror(
            tmp_path,
            f"{name}:1",
            f"{world.own.host}/{name}:1",
            CODEXCTL_REGISTRY_MIRROR=f"{away.host},{there.host}/cache",
            HTTPS_PROXY="http://127.0.0.1:9",
        )
        assert code == 0 and len(there.paths("GET", "/blobs/")) == 4
        assert len(away.asked) == 5
    assert world.own.manifest(name, "1")[1] == digest
