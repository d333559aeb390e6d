"""How we speak to registries: challenges, throttling, mirrors, plain HTTP, answers that don't fit."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from codexctl_ci.errors import ApiError
from codexctl_ci.images.authentication import Challenge, parse_challenge
from codexctl_ci.images.connection import Connection, Trust, proxies_of
from codexctl_ci.images.credentials import DockerConfig, load_docker_config
from codexctl_ci.images.reference import parse_reference
from codexctl_ci.images.registry import Registries

BODY = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = (200, {"Content-Type": TYPE, "Docker-Content-Digest": DIGEST}, BODY)

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Scripted:
    """A server that answers as ``answer`` says and notes what it was asked."""

    answer: Callable[[str, str, Mapping[str, str]], Answer]
    host: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, str, Mapping[str, str]], Answer]) -> Iterator[Scripted]:
    scripted = Scripted(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scripted.asked.append((self.command, self.path, dict(self.headers)))
            status, headers, body = scripted.answer(self.command, self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = handle_one

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    scripted.host = f"127.0.0.1:{server.server_port}"
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_token_is_fetched_with_the_login_and_used_again() -> None:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if path.startswith("/token"):
            assert headers["Authorization"] == "Basic " + basic("bob", "pass-word")
            return 200, {}, json.dumps({"token": "t-1", "expires_in": 300}).encode()
        if headers.get("Authorization") != "Bearer t-1":
            realm = f'Bearer realm="http://{headers["Host"]}/token",service="s",scope="repository:a/b:pull"'
            return 401, {"WWW-Authenticate": realm}, b""
        return MANIFEST

    with serving(answer) as server:
        auths = {"auths": {server.host: {"auth": basic("bob", "pass-word")}}}
        secrets: list[str] = []
        registries = Registries(Trust(), DockerConfig(auths, secrets.append))
        for _ in range(3):
            assert registries.digest(f"{server.host}/a/b:1") == DIGEST
        paths = [path for _, path, _ in server.asked]
        assert [path.split("?")[0] for path in paths].count("/token") == 1 and len(paths) == 5
        assert "scope=repository%3Aa%2Fb%3Apull" in paths[1] and "pass-word" in secrets


def test_login_by_basic_challenge() -> None:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if headers.get("Authorization") == "Basic " + basic("bob", "pass-word"):
            return MANIFEST
        return 401, {"WWW-Authenticate": 'Basic realm="r"'}, b""

    with serving(answer) as server:
        auths = {"auths": {server.host: {"username": "bob", "password": "pass-word"}}}
        assert Registries(Trust(), DockerConfig(auths)).digest(f"{server.host}/a/b:1") == DIGEST
        with pytest.raises(ApiError) as caught:
            Registries(Trust(), DockerConfig({})).digest(f"{server.host}/a/b:1")
        assert caught.value.status == 401 and "config.json" in caught.value.hint


def test_throttling_registry_is_given_the_time_it_asks_for() -> None:
    statuses = iter([429, 503, 200])

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        status = next(statuses)
        return MANIFEST if status == 200 else (status, {"Retry-After": "7"} if status == 429 else {}, b"")

    with serving(answer) as server:
        pauses: list[float] = []
        connection = Connection(Trust(), pause=pauses.append)
        found = connection.request("GET", f"http://{server.host}/v2/", headers={}, what="ask")
        assert found.status == 200 and pauses[0] == 7.0 and len(pauses) == 2


def test_registry_that_is_away_is_an_error_that_names_it() -> None:
    connection = Connection(Trust(), pause=lambda _: None)
    with pytest.raises(ApiError, match=r"127\.0\.0\.1:9") as caught:
        connection.request("GET", "http://127.0.0.1:9/v2/", headers={}, what="ask")
    assert caught.value.passing


@pytest.mark.parametrize("status", [403, 404])
def test_refusal_carries_status_kind_and_reason(status: int) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "no"}]}).encode()
    with serving(lambda *_: (status, {}, body)) as server, pytest.raises(ApiError) as caught:
        Registries(Trust(), DockerConfig({})).tag(f"{server.host}/a/b:1", "2")
    assert (caught.value.status, caught.value.kind, caught.value.reason) == (status, "DENIED", "no")


def test_manifest_that_is_not_the_one_of_its_digest_is_refused() -> None:
    with (
        serving(lambda *_: (200, {"Content-Type": TYPE}, b"{}")) as server,
        pytest.raises(ApiError, match="not the one"),
    ):
        Registries(Trust(), DockerConfig({})).current(f"{server.host}/a/b@{DIGEST}")


def test_digest_is_reckoned_where_the_registry_tells_none() -> None:
    with serving(lambda *_: (200, {"Content-Type": TYPE}, BODY)) as server:
        assert Registries(Trust(), DockerConfig({})).digest(f"{server.host}/a/b:1") == DIGEST


def test_docker_hub_is_asked_through_its_mirrors_first() -> None:
    with serving(lambda *_: MANIFEST) as mirror:
        registries = Registries(Trust(), DockerConfig({}), [mirror.host])
        assert registries.digest("busybox:1.37.0") == DIGEST
        assert mirror.asked[0][:2] == ("HEAD", "/v2/library/busybox/manifests/1.37.0")


def test_blob_in_a_store_beside_the_registry_is_fetched_without_the_login() -> None:
    with serving(lambda *_: (200, {}, b"layer")) as store:

        def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
            if not headers.get("Authorization"):
                return 401, {"WWW-Authenticate": 'Basic realm="r"'}, b""
            return 307, {"Location": f"http://{store.host}/layer"}, b""

        with serving(answer) as server:
            auths = {"auths": {server.host: {"auth": basic("bob", "pass-word")}}}
            registries = Registries(Trust(), DockerConfig(auths))
            assert registries.open_blob(parse_reference(f"{server.host}/a/b:1"), DIGEST).read() == b"layer"
        assert [("Authorization" in headers, path) for _, path, headers in store.asked] == [(False, "/layer")]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_mirror_that_refuses_is_passed_over(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda *_: (status, {"Retry-After": "0"}, b"")) as broken, serving(lambda *_: MANIFEST) as mirror:
        registries = Registries(Trust(), DockerConfig({}), [broken.host, f"{mirror.host}/hub"])
        assert registries.digest("busybox:1.37.0") == DIGEST
        assert mirror.asked[0][:2] == ("HEAD", "/v2/hub/library/busybox/manifests/1.37.0")
    assert f"{broken.host} is passed over" in caplog.text


def test_plain_http_is_spoken_only_where_declared_and_answered() -> None:
    with serving(lambda *_: (401, {}, b"{}")) as server:
        declared = server.host.replace("127.0.0.1", "0.0.0.0")
        assert Connection(Trust(plain=frozenset({declared}))).url(declared, "/v2/").startswith("http://")
        assert Connection(Trust()).url(declared, "/v2/").startswith("https://")
        assert Connection(Trust()).url(server.host, "/v2/").startswith("http://")
        assert Connection(Trust(plain=frozenset({declared}))).url("ghcr.io", "/v2/").startswith("https://")


def test_plain_registry_asked_by_tls_says_how_to_allow_it() -> None:
    with serving(lambda *_: MANIFEST) as server:
        pauses: list[float] = []
        connection = Connection(Trust(), pause=pauses.append)
        with pytest.raises(ApiError, match="CODEXCTL_KANIKO_INSECURE=true") as caught:
            connection.request("GET", f"https://{server.host}/v2/", headers={}, what="reading failed")
    assert caught.value.status == 0 and "--kaniko-insecure" in caught.value.hint and pauses == []


def test_login_is_never_sent_by_plain_http_to_a_registry_that_speaks_tls() -> None:
    # A declared registry that doesn't answer plain HTTP as a registry does is asked by TLS.
    with serving(lambda *_: (400, {}, b"Client sent an HTTP request to an HTTPS server.")) as server:
        host = server.host.replace("127.0.0.1", "0.0.0.0")
        assert Connection(Trust(plain=frozenset({host}))).url(host, "/v2/").startswith("https://")
        assert all("Authorization" not in headers for _, _, headers in server.asked)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s"', Challenge("bearer", "https://a/t", "s")),
        ('basic realm="r"', Challenge("basic", "r")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_challenges(header: str, expected: Challenge | None) -> None:
    assert parse_challenge(header) == expected


def test_logins_are_found_under_all_names_of_a_registry() -> None:
    hub = DockerConfig({"auths": {"https://index.docker.io/v1/": {"auth": basic("a", "bbbb")}}}).find("docker.io")
    other = DockerConfig({"auths": {"https://r.example": {"identitytoken": "tttt"}}}).find("r.example")
    assert hub is not None and (hub.username, hub.password) == ("a", "bbbb")
    assert other is not None and other.token == "tttt" and "tttt" not in repr(other)
    assert DockerConfig({"auths": {"r.example": {"auth": "%%%"}}}).find("r.example") is None


def test_login_from_a_helper_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread server\nprintf \'{"Username":"u","Secret":"%s-secret"}\' "$server"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = DockerConfig({"credHelpers": {"r.example": "test"}}).find("r.example")
    assert found is not None and found.password == "r.example-secret"
    assert DockerConfig({"credsStore": "no-such-helper"}).find("r.example") is None


def test_docker_config_is_looked_for_where_docker_has_it(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(
        json.dumps({"auths": {"r.example": {"auth": basic("a", "home")}}})
    )
    (tmp_path / "config.json").write_text("not json")
    home = {"HOME": str(tmp_path)}
    found = load_docker_config(home).find("r.example")
    assert found is not None and found.password == "home"
    assert load_docker_config({**home, "DOCKER_CONFIG": str(tmp_path)}).find("r.example") is not None
    assert json.loads(load_docker_config(home).text_for(["r.example", "other"]))["auths"].keys() == {"r.example"}
    assert load_docker_config(home).text_for(["other"]) == ""


def test_proxies_are_read_as_programs_usually_do() -> None:
    found = proxies_of({"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower", "NO_PROXY": "a", "X": "y"})
    assert found == {"https": "http://lower", "no": "a"}
