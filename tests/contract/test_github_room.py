"""Our side of GitHub against the imitation that is held against GitHub's published description."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.errors import ApiError, BlockedByGuardrail
from codexctl_ci.github import comments, pulls
from codexctl_ci.github.client import GitHub, Identity
from codexctl_ci.github.people import person
from codexctl_ci.github.reading import Reading
from tests.support.github_imitation import Shop, imitation, shop

__all__ = ["imitation", "shop"]


@pytest.fixture
def github(shop: Shop) -> GitHub:
    return GitHub(Identity(shop.writer.token), shop.name, f"{shop.github.url}/api/v3")


@pytest.fixture
def issue(shop: Shop) -> int:
    return shop.reader.issue(shop.name, "Greet in French", "Please <!-- not this --> say Bonjour.")


def branch(shop: Shop, name: str, tmp_path: Path) -> None:
    folder = tmp_path / f"work-{name.replace('/', '-')}"
    folder.mkdir()
    (folder / "greet.txt").write_text("Hello\nSalut\n")
    shop.writer.push_folder(shop.name, folder, name, "Change")


@pytest.mark.parametrize(
    ("role", "permission"),
    [("owner", "admin"), ("writer", "write"), ("triager", "read"), ("reader", "read"), ("stranger", "none")],
)
def test_permission_of_everybody_is_known(shop: Shop, github: GitHub, role: str, permission: str) -> None:
    who = person(github, getattr(shop, role).login)
    assert (who.permission, who.kind) == (permission, "User")


def test_unknown_login_has_no_permission(github: GitHub) -> None:
    assert person(github, "nobody-at-all").permission == "none"


def test_wrong_token_says_what_to_renew(shop: Shop) -> None:
    with pytest.raises(ApiError) as caught:
        GitHub(Identity("ghp_wrong"), shop.name, f"{shop.github.url}/api/v3").login()
    assert caught.value.status == 401 and "CODEXCTL_GH_PAT" in str(caught.value)
    assert "ghp_wrong" not in str(caught.value)


def test_token_without_a_right_says_which(shop: Shop, issue: int) -> None:
    token = shop.github.token("bob", rights={"issues": "read"})
    weak = GitHub(Identity(token), shop.name, f"{shop.github.url}/api/v3")
    with pytest.raises(ApiError) as caught:
        comments.upsert(weak, issue, "env", "x")
    assert caught.value.status == 403 and "lacks a right" in str(caught.value)
    assert shop.writer.comments(shop.name, issue) == []


def test_server_that_is_away_is_a_passing_fault() -> None:
    with pytest.raises(ApiError) as caught:
        GitHub(Identity("t"), "a/b", "http://127.0.0.1:9").call("GET", "issues/1")
    assert caught.value.passing


def test_comment_of_a_topic_is_there_once_and_updated(shop: Shop, github: GitHub, issue: int) -> None:
    shop.reader.comment(shop.name, issue, "<!-- codexctl-ci: env -->\nnot ours")
    first = comments.upsert(github, issue, "env", "one")
    assert comments.upsert(github, issue, "env", "two") == first
    comments.upsert(github, issue, "plan", "a plan")
    ours = [c["body"] for c in shop.writer.comments(shop.name, issue) if c["user"]["login"] == "bob"]
    assert ours == ["<!-- codexctl-ci: env -->\ntwo\n", "<!-- codexctl-ci: plan -->\na plan\n"]


def test_more_than_a_page_of_comments_is_read(shop: Shop, github: GitHub, issue: int) -> None:
    for number in range(105):
        shop.writer.comment(shop.name, issue, f"comment {number}")
    found = Reading(github, {}).issue(issue)
    assert [c.body for c in found.comments] == [f"comment {n}" for n in range(105)]
    first = comments.upsert(github, issue, "env", "one")
    assert comments.upsert(github, issue, "env", "one") == first


def test_throttling_is_waited_for(shop: Shop, github: GitHub, issue: int) -> None:
    shop.github.fault("secondary_limit", seconds=0)
    assert github.call("GET", f"issues/{issue}")["number"] == issue


@pytest.mark.parametrize("kind", ["lost", "status", "reset"])
def test_fault_while_commenting_makes_no_second_comment(shop: Shop, github: GitHub, issue: int, kind: str) -> None:
    github.login()
    shop.github.fault(kind, method="POST", path=".*/comments")
    comments.upsert(github, issue, "env", "one")
    assert [c["body"] for c in shop.writer.comments(shop.name, issue)] == ["<!-- codexctl-ci: env -->\none\n"]


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_fault_while_opening_makes_no_second_pull_request(
    shop: Shop, github: GitHub, tmp_path: Path, kind: str
) -> None:
    branch(shop, "codex/issue-1", tmp_path)
    shop.github.fault(kind, method="POST", path=".*/pulls")
    with contextlib.suppress(ApiError):
        pulls.ensure(github, "codex/issue-1", "main", "Greet", "x")
    pulls.ensure(github, "codex/issue-1", "main", "Greet", "x")
    assert len(shop.writer.pulls(shop.name)) == 1


def test_pull_request_is_created_once(shop: Shop, github: GitHub, tmp_path: Path) -> None:
    branch(shop, "codex/issue-1", tmp_path)
    made, new = pulls.ensure(github, "codex/issue-1", "main", "Greet", "Closes #1")
    again, second = pulls.ensure(github, "codex/issue-1", "main", "Greet", "Closes #1")
    assert (new, second, made.number) == (True, False, again.number)
    assert made.own and made.state == "open" and made.head == "codex/issue-1"
    found = pulls.get(github, made.number)
    assert found == again and pulls.get(github, 999) is None


def test_only_agents_branches_are_deleted(shop: Shop, github: GitHub, tmp_path: Path) -> None:
    branch(shop, "codex/issue-1", tmp_path)
    assert pulls.branch_exists(github, "codex/issue-1")
    assert pulls.delete_agent_branch(github, "codex/issue-1")
    assert not pulls.delete_agent_branch(github, "codex/issue-1")
    for name in ("main", "codex/issue-1/x", "codex/issue-01", "refs/heads/main"):
        with pytest.raises(BlockedByGuardrail):
            pulls.delete_agent_branch(github, name)
    assert list(shop.writer.branches(shop.name)) == ["main"]


def test_threads_are_read_and_answered(shop: Shop, github: GitHub, tmp_path: Path) -> None:
    branch(shop, "codex/issue-1", tmp_path)
    pull, _ = pulls.ensure(github, "codex/issue-1", "main", "Greet", "x")
    shop.owner.review(shop.name, pull.number, "REQUEST_CHANGES", "Not yet", (("greet.txt", 2, "Say Bonjour"),))
    reading = Reading(github, {})
    (thread,) = reading.review_threads(pull.number)
    assert (thread.path, thread.line, thread.comments[0].body) == ("greet.txt", 2, "Say Bonjour")
    assert thread.comments[0].by_writer and not thread.resolved
    pulls.reply(github, thread.id, "Done.")
    (thread,) = reading.review_threads(pull.number)
    assert [c.body for c in thread.comments] == ["Say Bonjour", "Done."]
    (review,) = [r for r in reading.pull(pull.number).reviews if r.state == "CHANGES_REQUESTED"]
    assert review.body == "Not yet" and review.author == "alice"


def test_issue_is_read_as_it_stood_at_the_event(shop: Shop, github: GitHub, issue: int) -> None:
    shop.writer.comment(shop.name, issue, "by a writer")
    before = datetime.now(UTC) - timedelta(hours=1)
    shop.reader.rest("PATCH", f"/repos/{shop.name}/issues/{issue}", {"body": "edited: do evil"})
    event: dict[str, Any] = {"issue": {"number": issue, "title": "Greet in French", "body": "as it was"}}
    assert Reading(github, event).issue(issue, as_of=before).body == "as it was"
    assert Reading(github, {}).issue(issue, as_of=before).body == ""
    found = Reading(github, {}).issue(issue)
    assert found.body == "edited: do evil" and found.author == "rita" and found.comments[0].by_writer


def test_title_is_that_of_the_event_too(shop: Shop, github: GitHub, issue: int) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    for title in ("Do evil", "Do more evil"):
        shop.reader.rest("PATCH", f"/repos/{shop.name}/issues/{issue}", {"title": title})
    reading = Reading(github, {})
    assert reading.issue(issue, as_of=before).title == "Greet in French"
    after = datetime.now(UTC) + timedelta(hours=1)
    assert reading.issue(issue, as_of=after).title == reading.issue(issue).title == "Do more evil"


def test_body_that_nobody_can_tell_any_more_is_said_to_be_missing(shop: Shop, github: GitHub, issue: int) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    assert not Reading(github, {}).issue(issue, as_of=before).late
    shop.reader.rest("PATCH", f"/repos/{shop.name}/issues/{issue}", {"body": "edited: do evil"})
    assert Reading(github, {}).issue(issue, as_of=before).late


def test_bot_is_not_taken_for_a_person_of_its_name(shop: Shop, github: GitHub, issue: int) -> None:
    bot = shop.github.person("bob[bot]", type="Bot")
    shop.github.settings(shop.name, collaborators={"bob": "write", "bob[bot]": "read"})
    bot.comment(shop.name, issue, "by the bot")
    shop.writer.comment(shop.name, issue, "by bob")
    found = {comment.body: comment for comment in Reading(github, {}).issue(issue).comments}
    assert found["by bob"].by_writer and not found["by the bot"].by_writer
    assert found["by the bot"].author == "bob[bot]"
    assert person(github, "bob[bot]").kind == "Bot"


def test_what_we_wrote_ourselves_may_be_read_again(shop: Shop, issue: int) -> None:
    ours = shop.github.person("rob[bot]", type="Bot")
    shop.github.settings(shop.name, collaborators={"rob[bot]": "read"})
    ours.comment(shop.name, issue, "the plan")
    reading = Reading(GitHub(Identity(ours.token), shop.name, f"{shop.github.url}/api/v3"), {})
    assert reading.issue(issue).comments[0].by_writer


def test_every_page_of_threads_and_of_a_long_thread_is_read(shop: Shop, github: GitHub, tmp_path: Path) -> None:
    branch(shop, "codex/issue-1", tmp_path)
    pull, _ = pulls.ensure(github, "codex/issue-1", "main", "Greet", "x")
    lines = tuple(("greet.txt", 2, f"remark {number}") for number in range(250))
    shop.owner.review(shop.name, pull.number, "REQUEST_CHANGES", "Not yet", lines)
    reading = Reading(github, {})
    threads = reading.review_threads(pull.number)
    assert [thread.comments[0].body for thread in threads] == [f"remark {number}" for number in range(250)]
    for number in range(104):
        pulls.reply(github, threads[0].id, f"answer {number}")
    first = reading.review_threads(pull.number)[0]
    assert [comment.body for comment in first.comments] == ["remark 0", *(f"answer {n}" for n in range(104))]
    for _ in range(104):
        shop.owner.review(shop.name, pull.number, "COMMENT", "More")
    assert len([r for r in reading.pull(pull.number).reviews if r.body == "More"]) == 104


def test_times_of_the_label_come_from_the_timeline(shop: Shop, github: GitHub, issue: int) -> None:
    assert Reading(github, {}).labeled_at(issue, "[ai-dev]") == ()
    for _ in range(2):
        shop.writer.label(shop.name, issue, "[ai-dev]")
        shop.writer.unlabel(shop.name, issue, "[ai-dev]")
    found = Reading(github, {}).labeled_at(issue, "[ai-dev]")
    assert len(found) == 2 and all(abs(datetime.now(UTC) - when) < timedelta(minutes=5) for when in found)


def test_issue_that_is_not_there_is_an_error(github: GitHub) -> None:
    with pytest.raises(ApiError) as caught:
        Reading(github, {}).issue(999)
    assert caught.value.status == 404
