"""What a reader sees of a Markdown text: rendered by a reader of Markdown that is not ours, without what HTML hides."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
_UNSHOWN = frozenset({"script", "style", "template", "noscript", "object", "svg", "title", "textarea"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._unshown = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unshown += tag in _UNSHOWN

    def handle_endtag(self, tag: str) -> None:
        self._unshown -= tag in _UNSHOWN and self._unshown > 0

    def handle_data(self, data: str) -> None:
        if not self._unshown:
            self.seen.append(data)


def shown(text: str) -> str:
    """The words that the page of ``text`` shows, with one space between them."""
    reader = _Reader()
    reader.feed(_MARKDOWN.render(text))
    reader.close()
    return " ".join(" ".join(reader.seen).split())
