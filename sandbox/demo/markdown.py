"""Markdown as GitHub shows it, made safe: no foreign HTML but a few harmless tags, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_HARMLESS = re.compile(r"</?(?:details|summary|br|sub|sup|kbd)\s*/?>|<details open>", re.IGNORECASE)
_PIECE = re.compile(r"<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL)


def render(text: str) -> str:
    """HTML of a Markdown text that nobody vouches for. Comments vanish, images become their descriptions."""
    return str(_renderer().render(text))


def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    made.add_render_rule("html_block", _html)
    made.add_render_rule("html_inline", _html)
    made.add_render_rule("image", _image)
    return made


def _html(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    text, made, end = tokens[index].content, "", 0
    for piece in _PIECE.finditer(text):
        made += escape(text[end : piece.start()]) + _tag(piece[0])
        end = piece.end()
    return made + escape(text[end:])


def _tag(piece: str) -> str:
    if piece.startswith("<!--"):
        return ""
    return piece if _HARMLESS.fullmatch(piece) else escape(piece)


def _image(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return f"<em>[image: {escape(tokens[index].content)}]</em>"
