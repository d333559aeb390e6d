"""Who may start a run."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.errors import BlockedByGuardrail
from codexctl_ci.guardrails.branches import is_repair, is_safe, issue_branch, issue_of
from codexctl_ci.guardrails.consent import Person, judge_person
from codexctl_ci.operations.guard import guard

REPO = "acme/shop"
PEOPLE = {
    "ann": Person("ann", "User", "write"),
    "tim": Person("tim", "User", "triage"),
    "rob[bot]": Person("rob[bot]", "Bot", "none"),
    "eve[bot]": Person("eve[bot]", "User", "write"),
}


def look_up(login: str) -> Person:
    return PEOPLE.get(login, Person(login, "", "none"))


def ask(event: dict[str, Any], actor: str = "", allowed: tuple[str, ...] = (), *, is_open: bool = True) -> str:
    try:
        verdict = guard(
            event,
            actor=actor,
            repo=REPO,
            own_login="codex-bot",
            allowed_users=allowed,
            look_up=look_up,
            is_open=lambda number: is_open,
        )
    except BlockedByGuardrail as error:
        return error.reason
    return "yes" if verdict.allowed else f"quiet: {verdict.reason}"


def labeled(sender: str, state: str = "open") -> dict[str, Any]:
    return {"sender": {"login": sender}, "issue": {"number": 7, "state": state}, "label": {"name": "[ai-dev]"}}


def reviewed(sender: str, head: str | None = REPO, state: str = "open") -> dict[str, Any]:
    repo = {"full_name": head} if head else None
    return {
        "sender": {"login": sender},
        "pull_request": {"number": 8, "state": state, "head": {"ref": "codex/issue-7", "repo": repo}},
        "review": {"state": "changes_requested", "body": "x", "user": {"login": sender}},
    }


def test_writer_may() -> None:
    assert ask(labeled("ann"), "ann") == "yes"
    assert ask(reviewed("ann"), "ann") == "yes"


@pytest.mark.parametrize("sender", ["tim", "stranger", "eve[bot]", "rob[bot]"])
def test_label_is_not_consent(sender: str) -> None:
    assert ask(labeled(sender), sender) != "yes"


def test_rerun_needs_a_writer_too() -> None:
    assert "tim" in ask(labeled("ann"), "tim")


def test_list_narrows_and_never_widens() -> None:
    assert "CODEXCTL_ALLOWED_USERS" in ask(labeled("ann"), "ann", ("bob",))
    assert ask(labeled("ann"), "ann", ("Ann",)) == "yes"
    assert "permission" in ask(labeled("tim"), "tim", ("tim",))


def test_bots_only_by_name_and_by_type() -> None:
    assert ask(labeled("rob[bot]"), "", ("rob[bot]",)) == "yes"
    assert "is none" in ask(labeled("eve[bot]"), "", ("eve[bot]",))


def test_closed_things_start_nothing() -> None:
    assert "closed" in ask(labeled("ann", "closed"), "ann")
    assert "closed" in ask(reviewed("ann", state="closed"), "ann")


@pytest.mark.parametrize("head", ["fork/shop", None])
def test_fork_ends_quietly(head: str | None) -> None:
    assert ask(reviewed("ann", head), "ann").startswith("quiet: pull requests from forks")


def test_own_comment_starts_no_loop() -> None:
    body = "<!-- codexctl-ci: plan -->\n[ai-plan]"
    event: dict[str, Any] = {"sender": {"login": "codex-bot"}, "issue": {"number": 1, "state": "open"}}
    event["comment"] = {"body": body, "user": {"login": "codex-bot"}}
    assert ask(event, "codex-bot").startswith("quiet")


def test_event_without_a_sender_is_refused() -> None:
    assert "names nobody" in ask({"issue": {"number": 1}}, "")


def test_permission_must_be_write() -> None:
    for permission, allowed in (("admin", True), ("maintain", True), ("write", True), ("read", False), ("", False)):
        assert judge_person(Person("x", "User", permission), ()).allowed is allowed


@pytest.mark.parametrize(
    ("branch", "issue"),
    [
        ("codex/issue-12", 12),
        ("codex/ai-repair-3", 3),
        ("main", 0),
        ("codex/issue-0", 0),
        ("codex/issue-12\n", 0),
        ("codex/issue-12/x", 0),
        ("x/codex/issue-12", 0),
        ("codex/issue-\uff11\uff12", 0),
    ],
)
def test_only_agents_branches_are_ours(branch: str, issue: int) -> None:
    assert issue_of(branch) == issue


def test_branch_of_an_issue_is_found_again() -> None:
    for repair in (False, True):
        branch = issue_branch(9, repair=repair)
        assert issue_of(branch) == 9 and is_repair(branch) is repair and is_safe(branch)


@pytest.mark.parametrize(
    "branch", ["-x", "a..b", "a b", "a;b", "$(id)", "a@{1}", "a.lock", "/a", "a/", "a//b", "", "ä"]
)
def test_odd_branch_names_are_not_safe(branch: str) -> None:
    assert not is_safe(branch)


def test_rerun_for_what_was_closed_meanwhile_is_refused() -> None:
    assert ask(labeled("ann"), "ann", is_open=False) == "#7 is closed by now"
    assert ask(reviewed("ann"), "ann", is_open=False) == "#8 is closed by now"
