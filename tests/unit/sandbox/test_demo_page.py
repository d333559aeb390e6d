"""The demo's report: one page that loads nothing, runs nothing, and shows foreign text as text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from sandbox.demo.evidence import Entry, Evidence, Row
from sandbox.demo.markdown import render
from sandbox.demo.page import diff_lines, write_page
from sandbox.demo.timeline import Report, Step

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(1)>"\' onload=alert(1) {{ 7 * 7 }} </style><style>@import "x"'
    "\n\n<iframe src=http://evil.example></iframe>\n\n![seen](http://evil.example/pixel.png)\n\n"
    "[go](javascript:alert(1)) <a href=javascript:alert(1)>go</a> <svg/onload=alert(1)>\n\n<details onclick=alert(1)>"
    "\n\n<!-- hidden --> <https://evil.example/'onx='>\n\n```html\n<b>\n```\n\n<object data=x>\n<link rel=stylesheet>"
)
LOADING = {"script", "img", "iframe", "object", "embed", "link", "svg", "video", "audio", "base", "form"}


class Reader(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def everywhere(text: str) -> tuple[Report, Evidence]:
    """A report whose every text, from wherever it comes, is this one."""
    steps = [Step(text, 1.0, text), Step(f"  {text}", 1.0, text, 0.2, 0.4)]
    report = Report(text, 1, text, 2, text, [text], [text], {text: 1}, 1.0, 2.0, [], steps, text)
    entries = [Entry(text, text, text, text, text, 3, f"@@ -1 +1 @@\n+{text}"), Entry(text, text, text)]
    file = {"filename": text, "status": text, "additions": 1, "deletions": 0, "patch": f"@@ -1 +1 @@\n-{text}\n+{text}"}
    part = {"job": text, "markdown": text}
    run = {"name": text, "conclusion": text, "event": text, "action": text, "number": 1, "seconds": 1.0}
    row = Row(text, text, text, text, False)
    return report, Evidence(text, 1, text, 2, entries, entries, [file], [row], [run | {"summaries": [part]}])


def test_foreign_text_is_text_wherever_it_stands(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", *everywhere(HOSTILE))
    page = (tmp_path / "report.html").read_text()
    reader = Reader(page)
    assert not LOADING & {tag for tag, _ in reader.tags}
    assert [tag for tag, _ in reader.tags].count("style") == 1
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "data", "srcset")], tag
        assert "javascript:" not in (attributes.get("href") or "")
    assert "alert(1)" in reader.text and "{{ 7 * 7 }}" in reader.text
    assert "default-src 'none'" in page


def test_a_demo_that_failed_at_once_has_a_page_too(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", Report(failure="RuntimeError: kubectl: away"), Evidence())
    text = Reader((tmp_path / "report.html").read_text()).text
    assert "failed" in text and "kubectl: away" in text and "did not come that far" in text


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("| a | b |\n|---|---|\n| `x` | ~~y~~ |", "<td><s>y</s></td>"),
        ("<details><summary>Pod</summary>\n\n```\n<none>\n```\n\n</details>", "<details><summary>Pod</summary>"),
        ("before <!-- codexctl-ci: env --> after", "<p>before  after</p>"),
        ("<!-- never closed <b>", ""),
        ("a <b>bold</b> word", "&lt;b&gt;bold&lt;/b&gt;"),
    ],
)
def test_markdown_is_shown_as_github_shows_it(markdown: str, html: str) -> None:
    shown = render(markdown)
    assert html in shown and "<b>" not in shown and "<!--" not in shown


def test_lines_of_a_diff_have_their_numbers_in_both_files() -> None:
    lines = list(diff_lines("@@ -10,3 +10,3 @@ def f():\n same\n-old\n+new\n tail"))
    assert [(line.kind, line.old, line.new) for line in lines] == [
        ("hunk", 0, 0),
        ("same", 10, 10),
        ("removed", 11, 0),
        ("added", 0, 11),
        ("same", 12, 12),
    ]
