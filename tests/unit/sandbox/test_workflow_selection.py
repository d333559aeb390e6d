"""Which workflows an event starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.runner.selection import Unreadable, read_workflow, starts
from sandbox.runner.service import place_of
from sandbox.runner.sources import local_repositories

PUSH = {"ref": "refs/heads/main", "deleted": False, "head_commit": {"message": "Fix"}}


@pytest.mark.parametrize(
    ("on", "event", "payload", "expected"),
    [
        ("issues", "issues", {"action": "labeled"}, True),
        ("[issues, push]", "push", PUSH, True),
        ("{issues: {types: [labeled]}}", "issues", {"action": "labeled"}, True),
        ("{issues: {types: [labeled]}}", "issues", {"action": "closed"}, False),
        ("{issues: {types: labeled}}", "issues", {"action": "labeled"}, True),
        ("{issues: {types: [labeled]}}", "issue_comment", {"action": "labeled"}, False),
        ("pull_request", "pull_request", {"action": "closed"}, False),
        ("pull_request", "pull_request", {"action": "opened"}, True),
        ("{pull_request: {types: [closed]}}", "pull_request", {"action": "closed"}, True),
        ("pull_request_review", "pull_request_review", {"action": "submitted"}, True),
        ("{push: {branches: [main]}}", "push", PUSH, True),
        ("{push: {branches: [main]}}", "push", PUSH | {"ref": "refs/heads/codex/issue-1"}, False),
        ("{push: {branches: ['codex/**', '!codex/x']}}", "push", PUSH | {"ref": "refs/heads/codex/a/b"}, True),
        ("{push: {branches: ['codex/**', '!codex/x']}}", "push", PUSH | {"ref": "refs/heads/codex/x"}, False),
        ("{push: {branches-ignore: ['codex/*']}}", "push", PUSH | {"ref": "refs/heads/codex/x"}, False),
        ("{push: {branches: [main]}}", "push", PUSH | {"ref": "refs/tags/v1"}, False),
        ("{push: {tags: ['v*']}}", "push", PUSH | {"ref": "refs/tags/v1"}, True),
        ("{push: {tags: ['v*']}}", "push", PUSH, False),
        ("push", "push", PUSH | {"deleted": True}, False),
        ("push", "push", PUSH | {"head_commit": {"message": "Fix [skip ci]"}}, False),
        ("push", "push", PUSH | {"head_commit": {"message": "Fix [skip-ci]"}}, True),
        ("workflow_call", "issues", {"action": "labeled"}, False),
    ],
)
def test_an_event_starts_what_github_would_start(
    tmp_path: Path, on: str, event: str, payload: dict[str, Any], expected: bool
) -> None:
    path = tmp_path / "w.yml"
    path.write_text(f"on: {on}\njobs: {{}}\n")
    assert starts(read_workflow(path), event, payload) is expected


def test_a_filter_that_is_not_known_is_an_error_and_not_a_guess(tmp_path: Path) -> None:
    path = tmp_path / "w.yml"
    path.write_text("on: {push: {paths: [src/**]}}\n")
    with pytest.raises(Unreadable, match="paths"):
        starts(read_workflow(path), "push", PUSH)


@pytest.mark.parametrize(
    ("event", "pull", "ref"),
    [
        ("pull_request_review", {"merged": False}, "refs/pull/5/merge"),
        ("pull_request", {"merged": False}, "refs/pull/5/merge"),
        ("pull_request", {"merged": True}, "refs/heads/release"),
    ],
)
def test_pull_requests_run_from_the_merge_until_they_are_merged(event: str, pull: dict[str, Any], ref: str) -> None:
    payload = {
        "repository": {"default_branch": "main"},
        "pull_request": pull | {"number": 5, "base": {"ref": "release"}},
    }
    assert place_of(event, payload).ref == ref


def test_every_use_of_a_known_repository_is_mapped_and_what_that_uses_too(tmp_path: Path) -> None:
    project, tool, checkout = (tmp_path / name for name in ("project", "tool", "checkout"))
    texts = {
        project / ".github/workflows/w.yml": "jobs: {a: {}}\n    uses: org/tool/.github/workflows/dev.yml@v1\n",
        tool / ".github/workflows/dev.yml": "      - uses: actions/checkout@abc # v6\n      - uses: other/thing@v2\n",
        tool / "actions/x/action.yml": "    - uses: 'org/tool/actions/y@v1.2'\n",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = local_repositories(project, {"org/tool": tool, "actions/checkout": checkout})
    assert found == [f"actions/checkout@abc={checkout}", f"org/tool@v1={tool}", f"org/tool@v1.2={tool}"]
