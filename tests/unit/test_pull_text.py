"""What we write into pull requests from the agent's words."""

from __future__ import annotations

import pytest

from codexctl_ci.guardrails.secrets import needles
from codexctl_ci.prompts.results import read_report
from codexctl_ci.reporting.pull_text import commit_message, common_answer, own_answers, pull_body, pull_title

SECRET = needles(["hunter2-hunter2"])


def test_report_becomes_title_description_and_message() -> None:
    report = read_report("Title: Greet in French\n\nIt says Bonjour now.")
    assert pull_title(report, "x") == "Greet in French"
    assert commit_message("Greet in French", 7) == "Greet in French\n\nFor #7\n"
    body = pull_body(report, 7, site_url="https://dev-1.shop.example", run_url="https://ci/1")
    assert body == (
        "It says Bonjour now.\n\n"
        "Made by an agent: [environment](https://dev-1.shop.example), [run](https://ci/1)\n\n"
        "Closes #7\n"
    )


@pytest.mark.parametrize("words", ["Fixes #12", "closes: acme/shop#3", "RESOLVED https://github.com/a/b/issues/1"])
def test_agents_words_close_no_other_issue(words: str) -> None:
    report = read_report(f"Title: {words}\n\n{words}")
    for text in (pull_title(report, "x"), pull_body(report, 7)):
        assert words not in text and words.replace(" ", " \u2060", 1) in text


def test_words_with_a_secret_are_left_out() -> None:
    report = read_report(
        "Title: Use hunter2-hunter2\n\nThe password is hunter2-hunter2.\n\n### Reply T_1\nhunter2-hunter2"
    )
    assert pull_title(report, "Work on issue #7", SECRET) == "Work on issue #7"
    assert "hunter2" not in pull_body(report, 7, own_secrets=SECRET) + "".join(own_answers(report, SECRET).values())


def test_threads_without_an_answer_are_told_the_commit_or_why_not() -> None:
    assert common_answer("abc123") == "This round's change is in abc123."
    assert common_answer("", "it is right already") == "Nothing was changed in this round: it is right already"
    assert common_answer("") == "Nothing was changed in this round."
