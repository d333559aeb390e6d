"""A GitHub server of a company's own, whose certificate only the company's authority vouches for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.errors import TransportError
from codexctl_ci.github.git import Clone
from codexctl_ci.process import run
from sandbox.cluster.certificates import new_authority
from sandbox.faulty_proxy import FaultyProxy
from tests.support.github_imitation import Shop

LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Enterprise:
    """The server's address, and the file with the authority that it needs."""

    url: str
    authority: Path


@pytest.fixture
def enterprise(shop: Shop, tmp_path: Path) -> Iterator[Enterprise]:
    authority = new_authority(tmp_path)
    authority.issue("server", "github.shop.example", hosts=(LOCAL,))
    both = tmp_path / "both.pem"
    both.write_text("".join((tmp_path / f"server.{part}").read_text() for part in ("crt", "key")))
    with FaultyProxy(shop.github.url, certificate=both) as front:
        yield Enterprise(front.url, authority.file)


def environment(shop: Shop, enterprise: Enterprise, tmp_path: Path, trusted: str) -> dict[str, str]:
    return {
        "CODEXCTL_GH_PAT": shop.owner.token,
        "GITHUB_REPOSITORY": shop.name,
        "GITHUB_API_URL": f"{enterprise.url}/api/v3",
        "GITHUB_SERVER_URL": enterprise.url,
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    } | ({trusted: str(enterprise.authority)} if trusted else {})


def clone(shop: Shop, enterprise: Enterprise, folder: Path, environ: dict[str, str]) -> Clone:
    credentials = ("x-access-token", shop.owner.token)
    return Clone(f"{enterprise.url}/{shop.name}.git", folder, credentials, run, environ)


@pytest.mark.parametrize("trusted", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_api_and_git_trust_the_authority_that_is_named(
    shop: Shop, enterprise: Enterprise, tmp_path: Path, trusted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = environment(shop, enterprise, tmp_path, trusted)
    number = shop.writer.issue(shop.name, "Greet", "Say hello")
    (tmp_path / "services.yaml").write_text("project: shop\n")
    words = ["prompt", "render", "--kind", "plan_issue", "--issue", str(number), "-c", str(tmp_path / "services.yaml")]
    assert main(words, environ) == 0
    assert "Say hello" in capsys.readouterr().out
    assert set(clone(shop, enterprise, tmp_path / "clone", environ).fetch(["main"])) == {"main"}


def test_server_that_nobody_vouches_for_is_not_talked_to(
    shop: Shop, enterprise: Enterprise, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = environment(shop, enterprise, tmp_path, "")
    assert main(["pr", "detect", "--branch", "main"], environ) == 1
    said = capsys.readouterr().err
    assert "certificate is not trusted" in said and "SSL_CERT_FILE" in said
    with pytest.raises(TransportError):
        clone(shop, enterprise, tmp_path / "clone", environ).fetch(["main"])
