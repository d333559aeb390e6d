"""What the doctor learns from GitHub, and the identity of an App, against the imitation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from codexctl_ci.errors import ConfigError
from codexctl_ci.github import comments, pulls
from codexctl_ci.github.client import GitHub, Identity
from codexctl_ci.github.facts import Facts
from codexctl_ci.github.git import Clone
from codexctl_ci.operations import doctor_github
from codexctl_ci.operations.doctor import Level
from codexctl_ci.process import run
from tests.support.github_imitation import Shop, imitation, shop

__all__ = ["imitation", "shop"]

RIGHTS = {"contents": "write", "issues": "write", "pull_requests": "write", "metadata": "read"}


def github(shop: Shop, token: str) -> GitHub:
    return GitHub(Identity(token), shop.name, f"{shop.github.url}/api/v3")


def app(shop: Shop, rights: dict[str, str], *, one_line: bool = False) -> GitHub:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, traditional = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(pem, traditional, serialization.NoEncryption()).decode()
    number = shop.github.app("shop-agent", "alice", public, rights, [shop.name])
    identity = Identity(app_id=str(number), private_key=private.replace("\n", "\\n") if one_line else private)
    return GitHub(identity, shop.name, f"{shop.github.url}/api/v3")


@pytest.mark.parametrize(
    ("role", "level"), [("owner", Level.OK), ("writer", Level.OK), ("triager", Level.FAIL), ("reader", Level.FAIL)]
)
def test_token_needs_the_right_to_push(shop: Shop, role: str, level: Level) -> None:
    (found,) = doctor_github.token(Facts(github(shop, getattr(shop, role).token)))
    assert found.level is level and getattr(shop, role).login in found.words


def test_app_needs_its_three_rights(shop: Shop) -> None:
    (found,) = doctor_github.token(Facts(app(shop, RIGHTS)))
    assert (found.level, found.words) == (Level.OK, "GitHub App shop-agent[bot]")


def test_app_without_a_right_is_told_which(shop: Shop) -> None:
    (found,) = doctor_github.token(Facts(app(shop, {**RIGHTS, "issues": "read"})))
    assert found.level is Level.FAIL and found.words.endswith("lacks write on issues")


@pytest.mark.parametrize("one_line", [False, True])
def test_app_works_like_a_token(shop: Shop, tmp_path: Path, one_line: bool) -> None:
    as_app = app(shop, RIGHTS, one_line=one_line)
    issue = shop.reader.issue(shop.name, "Greet", "Please")
    comments.upsert(as_app, issue, "env", "one")
    comments.upsert(as_app, issue, "env", "two")
    (said,) = shop.writer.comments(shop.name, issue)
    assert said["user"]["login"] == as_app.login() == "shop-agent[bot]" and said["body"].endswith("two\n")
    url = f"{shop.github.url}/{shop.name}.git"
    clone = Clone(url, tmp_path / "clone", as_app.git_credentials(), run, os.environ)
    main = clone.fetch(["main"])["main"]
    made = clone.commit(main, {"a.txt": ("file", b"x\n")}, [], "Add\n", ("a", "a@b"), 1_700_000_000)
    assert clone.push(made, "codex/issue-1")
    pull, new = pulls.ensure(as_app, "codex/issue-1", "main", "Add", f"Closes #{issue}")
    assert new and pull.head_sha == made


def test_wrong_private_key_is_said_without_showing_it(shop: Shop) -> None:
    broken = Identity(app_id="1", private_key="-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END")
    with pytest.raises(ConfigError, match="CODEXCTL_APP_PRIVATE_KEY") as caught:
        GitHub(broken, shop.name, f"{shop.github.url}/api/v3").call("GET", "")
    assert "nonsense" not in str(caught.value)


def test_settings_are_read_as_far_as_the_token_sees_them(shop: Shop) -> None:
    facts = Facts(github(shop, shop.owner.token))
    found = {f.what: f.level for f in doctor_github.settings(facts, environment="ai-staging")}
    assert found == {"secrets": Level.WARN, "environment": Level.WARN}
    secrets = {"CODEXCTL_GH_PAT": "x", "OPENAI_API_KEY": "y"}
    shop.github.settings(shop.name, secrets=secrets, variables={f"V{n}": "1" for n in range(35)})
    found = {f.what: f.level for f in doctor_github.settings(facts, environment="ai-staging")}
    assert found["secrets"] is Level.OK
    assert len(facts.variables()) == 35
    blind = Facts(github(shop, shop.github.token("alice", rights={"issues": "write"})))
    found = {f.what: f.level for f in doctor_github.settings(blind, environment="ai-staging")}
    assert found == {"secrets": Level.SKIP, "environment": Level.SKIP}


@pytest.mark.parametrize(("slots", "level"), [(0, Level.WARN), (5, Level.OK), (6, Level.WARN)])
def test_jobs_that_wait_need_runners_too(shop: Shop, slots: int, level: Level) -> None:
    facts = Facts(github(shop, shop.owner.token))
    (found,) = doctor_github.runners(facts, slots, lambda: {"pantry-ai": 7})
    assert found.level is level


def test_runners_that_nobody_shows_are_not_judged(shop: Shop) -> None:
    (found,) = doctor_github.runners(Facts(github(shop, shop.writer.token)), 3, lambda: None)
    assert found.level is Level.SKIP and "at least 5" in found.advice
    (found,) = doctor_github.runners(Facts(github(shop, shop.owner.token)), 3, lambda: None)
    assert found.level is Level.WARN and "none online" in found.words
