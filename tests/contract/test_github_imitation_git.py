"""git over HTTP against the imitation: tokens, roles, and what a push means for pull requests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.github.bare_git import clean_environment
from sandbox.github.client import Person
from tests.support.github_imitation import Shop


def clone(person: Person, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "clone", "-q", person.clone_url(name), str(folder)],
        env=clean_environment() | {"GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_readers_clone_and_strangers_find_nothing(shop: Shop, tmp_path: Path) -> None:
    assert clone(shop.reader, shop.name, tmp_path / "one").returncode == 0
    assert (tmp_path / "one" / "greet.txt").read_text() == "Hello\nBonjour\n"
    assert "not found" in clone(shop.stranger, shop.name, tmp_path / "two").stderr
    wrong = Person(shop.github.url, "bob", "ghp_wrong")
    assert "Authentication failed" in clone(wrong, shop.name, tmp_path / "three").stderr


def test_a_push_needs_write_access_of_person_and_token(shop: Shop) -> None:
    with pytest.raises(RuntimeError, match="403"):
        shop.reader.push_files(shop.name, "topic", {"a.txt": "a\n"}, "No")
    weak = shop.github.person("bob", rights={"contents": "read"})
    with pytest.raises(RuntimeError, match="403"):
        weak.push_files(shop.name, "topic", {"a.txt": "a\n"}, "No")
    assert list(shop.owner.branches(shop.name)) == ["main"]


def test_a_push_moves_the_pull_requests_head(shop: Shop) -> None:
    shop.writer.push_files(shop.name, "topic", {"a.txt": "a\n"}, "Add a")
    number = shop.writer.open_pull(shop.name, "topic", "Add a")
    sha = shop.writer.push_files(shop.name, "topic", {"b.txt": "b\n"}, "Add b")
    pull = shop.owner.read_pull(shop.name, number)
    assert (pull["head"]["sha"], pull["commits"]) == (sha, 2)
    last = shop.github.events()[-1]
    assert (last["event"], last["payload"]["action"], last["payload"]["after"]) == (
        "pull_request",
        "synchronize",
        sha,
    )


def test_a_fork_offers_its_branch(shop: Shop) -> None:
    fork = shop.github.repository("rita", "shop", fork_of=shop.name)
    sha = shop.reader.push_files(fork, "main", {"a.txt": "a\n"}, "From a fork")
    number = shop.reader.open_pull(shop.name, "rita:main", "From a fork")
    pull = shop.owner.read_pull(shop.name, number)
    assert (pull["head"]["sha"], pull["head"]["repo"]["full_name"]) == (sha, "rita/shop")
    assert [item["filename"] for item in shop.owner.rest("GET", f"/repos/{shop.name}/pulls/{number}/files")] == [
        "a.txt"
    ]


def test_large_pushes_arrive_whole(shop: Shop) -> None:
    # Above http.postBuffer git sends in chunks of unknown total.
    text = "".join(f"{number * 7919 % 1000003}\n" for number in range(600_000))
    sha = shop.writer.push_files(shop.name, "big", {"big.txt": text}, "Big")
    assert shop.owner.branches(shop.name)["big"] == sha
