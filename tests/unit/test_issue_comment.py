"""The comment that people read."""

from __future__ import annotations

from codexctl_ci.guardrails.secrets import needles
from codexctl_ci.reporting.issue_comment import EnvironmentNote, render_note, safe_words


def test_comment_of_a_change_links_what_a_person_wants() -> None:
    note = EnvironmentNote(
        conclusion="changed",
        site_url="https://dev-3.shop.example",
        namespace="shop-dev-3",
        slot=3,
        pr_number=12,
        pr_url="https://github.com/acme/shop/pull/12",
        commit="0123456789abcdef",
        tokens_in=12345,
        tokens_out=67,
    )
    assert render_note(note) == (
        "**The change is ready for review.**\n\n"
        "- Pull request: [#12](https://github.com/acme/shop/pull/12) at `0123456789ab`\n"
        "- Environment: https://dev-3.shop.example\n"
        "- Namespace: `shop-dev-3` (slot 3)\n"
        "- Tokens: 12,345 read, 67 written\n"
    )


def test_failure_and_rules_are_told() -> None:
    text = render_note(EnvironmentNote(conclusion="blocked", rules=("secret: a.txt:3: x",), failure="a\n```\nb"))
    assert "A rule stopped this run" in text and "- Rule: secret: a.txt:3: x" in text and text.count("```") == 2


def test_foreign_words_mention_nobody_and_leak_nothing() -> None:
    assert "@\u2060ann" in safe_words("ask @ann about a@b.c") and "a@b.c" in safe_words("ask @ann about a@b.c")
    assert "hunter2-hunter2" not in safe_words("it is hunter2-hunter2", needles(["hunter2-hunter2"]))
    assert len(safe_words("x\n" * 10_000)) < 7000
