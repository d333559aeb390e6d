"""The imitation of GitHub for tests: fixtures that start one in this process, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.github.client import GitHub, Person
from sandbox.github.server import GitHubServer


@dataclass(frozen=True)
class Shop:
    """A private repository with people of every role, and one file on its default branch."""

    github: GitHub
    name: str
    owner: Person
    writer: Person
    triager: Person
    reader: Person
    stranger: Person


@pytest.fixture
def imitation(tmp_path: Path) -> Iterator[GitHub]:
    """A fresh imitation; the test fails at its end if anything broke GitHub's description."""
    server = GitHubServer("127.0.0.1", 0, tmp_path / "github").run_in_thread()
    client = GitHub(server.url, server.control_token)
    yield client
    found = client.violations()
    server.shutdown()
    server.server_close()
    assert found == []


@pytest.fixture
def shop(imitation: GitHub, tmp_path: Path) -> Shop:
    """A repository `alice/shop`: bob may write, tim triage, rita read; eve does not know of it."""
    alice, bob, tim, rita, eve = (imitation.person(name) for name in ("alice", "bob", "tim", "rita", "eve"))
    roles = {"bob": "write", "tim": "triage", "rita": "read"}
    name = imitation.repository("alice", "shop", collaborators=roles)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "greet.txt").write_text("Hello\nBonjour\n")
    alice.push_folder(name, folder)
    return Shop(imitation, name, alice, bob, tim, rita, eve)
