"""What we write into pull requests from the agent's words."""

from __future__ import annotations

import pytest

from codexctl_ci.guardrails.secrets import needles
from codexctl_ci.prompts.results import read_report
from codexctl_ci.reporting.pull_text import (
    Asker,
    Frame,
    commit_message,
    common_answer,
    own_answers,
    pull_body,
    pull_title,
)

SECRET = needles(["hunter2-hunter2"])


def test_report_becomes_title_description_and_message() -> None:
    report = read_report("Title: Greet in French\n\nIt says Bonjour now.\n\n### Tested\nBy pytest.")
    assert pull_title(report, "x") == "Greet in French"
    assert commit_message("Greet in French") == "Greet in French\n"
    frame = Frame(7, "Say <!-- x -->it", "https://dev-1.shop.example", "shop-dev-1", 1, "https://ci/1", 1200, 34)
    assert pull_body(report, frame) == (
        "## What\n\nIt says Bonjour now.\n\n"
        "## Why\n\n#7: Say it\n\n"
        "## How it was tested\n\nBy pytest.\n\n"
        "## Environment\n\n"
        "- Site: https://dev-1.shop.example\n"
        "- Namespace: `shop-dev-1` (slot 1)\n"
        "- Run: https://ci/1\n"
        "- Tokens: 1,200 read, 34 written\n\n"
        "Closes #7\n"
    )


def test_checks_that_failed_or_were_not_made_are_told() -> None:
    failed = pull_body(read_report("Title: A\nChecks: failed\n\nB\n\n### Tested\n2 failed"), Frame(7))
    assert "**Checks failed**, so this is a draft.\n\n2 failed\n" in failed
    assert "The agent does not say." in pull_body(read_report("Title: A\n\nB"), Frame(7))


def test_commit_names_issue_run_and_who_asked() -> None:
    message = commit_message("Greet", 7, "https://ci/1", Asker("alice", 12), "github.com")
    assert message == (
        "Greet\n\nIssue: #7\nRun: https://ci/1\nCo-authored-by: alice <12+alice@users.noreply.github.com>\n"
    )


@pytest.mark.parametrize("login", ["", "a b", "x>\nReviewed-by: y", "-a", "a" * 50])
def test_name_that_is_no_login_is_nobodys(login: str) -> None:
    assert "Co-authored-by" not in commit_message("Greet", 7, "", Asker(login, 12))


@pytest.mark.parametrize("words", ["Fixes #12", "closes: acme/shop#3", "RESOLVED https://github.com/a/b/issues/1"])
def test_agents_words_close_no_other_issue(words: str) -> None:
    report = read_report(f"Title: {words}\n\n{words}")
    for text in (pull_title(report, "x"), pull_body(report, Frame(7, words))):
        assert words not in text and words.replace(" ", " \u2060", 1) in text


def test_words_with_a_secret_are_left_out() -> None:
    report = read_report(
        "Title: Use hunter2-hunter2\n\nThe password is hunter2-hunter2.\n\n### Reply T_1\nhunter2-hunter2"
    )
    assert pull_title(report, "Work on issue #7", SECRET) == "Work on issue #7"
    assert "hunter2" not in pull_body(report, Frame(7), SECRET) + "".join(own_answers(report, SECRET).values())


def test_threads_without_an_answer_are_told_the_commit_or_why_not() -> None:
    assert common_answer("abc123") == "This round's change is in abc123."
    assert common_answer("", "it is right already") == "Nothing was changed in this round: it is right already"
    assert common_answer("") == "Nothing was changed in this round."
