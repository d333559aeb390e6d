"""What a final message becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexctl_ci.prompts.results import TITLE_LIMIT, read_report


@pytest.mark.parametrize(
    ("message", "title", "body"),
    [
        ("Title: Add a thing\n\nIt adds\na thing.", "Add a thing", "It adds\na thing."),
        ("**Title:** Add a thing\nBody", "Add a thing", "Body"),
        ("# Title: Add a thing\n\nBody", "Add a thing", "Body"),
        ("```\nTitle: Add a thing\n\nBody\n```", "Add a thing", "Body"),
        ("```markdown\nTitle: A\n\nBody\n```", "A", "Body"),
        ("All done, tests pass.\nMore.", "Fallback", "All done, tests pass.\nMore."),
        ("Title:\n\nBody", "Fallback", "Body"),
        ("", "Fallback", ""),
    ],
)
def test_title_and_body(message: str, title: str, body: str) -> None:
    report = read_report(message, fallback_title="Fallback")
    assert (report.title, report.body, report.no_change, report.replies) == (title, body, "", {})


@pytest.mark.parametrize(
    ("message", "body", "tested", "checks"),
    [
        ("Title: A\nChecks: passed\n\nBody.\n\n### Tested\npytest: 3 passed", "Body.", "pytest: 3 passed", "passed"),
        ("Title: A\n**Checks:** failed, see below\n\nBody.", "Body.", "", "failed"),
        ("Title: A\n\n## Tested\nBy hand.\n\n## Left\nDocs.\n", "## Left\nDocs.", "By hand.", ""),
        ("Title: A\n\nChecks: are a word here", "Checks: are a word here", "", ""),
        ("Title: A\n\nIt was tested.\nChecks: failed", "It was tested.\nChecks: failed", "", ""),
    ],
)
def test_what_was_checked_is_told_apart(message: str, body: str, tested: str, checks: str) -> None:
    report = read_report(message)
    assert (report.body, report.tested, report.checks) == (body, tested, checks)


def test_message_without_a_title_gives_its_first_line() -> None:
    assert read_report("## Fixed the login\n\nText").title == "Fixed the login"


def test_replies_are_taken_out_of_the_body() -> None:
    report = read_report(
        "Title: Round two\n\nDone.\n\n### Reply PRRT_abc\nFixed in a.py.\n\nThanks.\n\n"
        "### Reply `PRRT_def-_=`:\nNo: see b.\n"
    )
    assert report.body == "Done."
    assert report.replies == {"PRRT_abc": "Fixed in a.py.\n\nThanks.", "PRRT_def-_=": "No: see b."}


@pytest.mark.parametrize(
    "line", ["No change: it works already", "**No change:** it works already", "no change - it works already"]
)
def test_no_change_has_its_reason(line: str) -> None:
    report = read_report(f"{line}\n\nI looked.\n\n### Reply T1\nSee above.", fallback_title="f")
    assert report.no_change.strip("* ") == "it works already"
    assert report.body == "I looked." and report.replies == {"T1": "See above."}


def test_message_is_cleaned_and_bounded() -> None:
    report = read_report("Title: a\u200bb <!-- x -->\n\n<!-- hidden -->shown" + "y" * 1_000_000)
    assert report.title == "ab"
    assert "hidden" not in report.body and len(report.body) < 50_000


@given(st.text(max_size=400))
def test_any_message_gives_a_short_title_of_one_line(message: str) -> None:
    report = read_report(message, fallback_title="x")
    assert len(report.title) <= TITLE_LIMIT and "\n" not in report.title
