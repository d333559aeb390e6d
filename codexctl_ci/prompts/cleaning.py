"""Foreign text without what its page doesn't show: a person who approves an issue sees what the model reads.

What is removed: HTML comments, CDATA, processing instructions and declarations (closed or not), tags that a page drops
and what tags carry besides, link definitions used as comments, footnotes nobody refers to, texts and titles of images
and links that show only on hovering, cells beyond a table's header, words behind a code block's language, invisible
characters. Code that is shown letter by letter stays as it is. Where readers of Markdown disagree, more is removed.
Cleaning a cleaned text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from codexctl_ci.prompts import hidden_blocks, hidden_tags
from codexctl_ci.prompts.invisible import normal_breaks, visible_characters, without_invisible
from codexctl_ci.prompts.shown_code import parts

_UNSHOWN_ELEMENT = re.compile(r"<(script|template|noscript|style|object|svg)\b[^>]*>", re.IGNORECASE)
# Readers agree that nothing is shown of these, even where they don't end.
_TO_THE_END = ("script", "template", "noscript")
_UNSHOWN_NAME = re.compile("script|template|noscript|style|object|svg", re.IGNORECASE)
# Private characters are taken out of every text first, so that these are ours alone.
_KEPT = re.compile("\ue000(\\d+)\ue001")
_CUT = "\ue002"
_TAG_IN_IMAGE_TEXT = re.compile(r"!\[(?!CDATA\[)[^\]]*<[A-Za-z/!?]|<(?!!--)[A-Za-z/!?][^<>]*!\[(?!CDATA\[)")
_PASSES = 40


def clean(text: str) -> str:
    """``text`` without hidden parts; what was visible stays, line by line. Idempotent."""
    for _ in range(_PASSES):
        cleaned = _clean_once(text)
        if cleaned == text:
            return text
        text = cleaned
    # Nested on purpose, deeper than anybody writes: take away what markup is made of.
    return re.sub(r"[<\[\]&`|\\~]|[ \t]+$", " ", without_invisible(text), flags=re.MULTILINE).strip()


def clean_line(text: str, limit: int = 200) -> str:
    """``text`` cleaned, as one line of at most ``limit`` characters: a title, a path, a name."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _clean_once(text: str) -> str:
    kept: list[str] = []
    text = _with_code_put_aside(text, kept)
    text = _up_to_cut(text, _STEPS).removesuffix(_CUT)
    text = _KEPT.sub(lambda mark: kept[int(mark[1])], text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


def _with_code_put_aside(text: str, kept: list[str]) -> str:
    """``text`` without invisible characters, and with a mark in place of each part that is shown letter by letter."""
    pieces: list[str] = []
    for part in parts(normal_breaks(text).replace(_CUT, "")):
        if part.kind in ("code", "drawn"):
            shown = visible_characters(part.text)
            kept.append(shown if part.kind == "code" else hidden_blocks.drawing(shown))
            pieces.append(f"\ue000{len(kept) - 1}\ue001")
            continue
        plain, cut, _ = _uncoded(part.text, markup=part.kind == "markup").partition(_CUT)
        pieces.append(plain)
        if cut:
            break
    return "".join(pieces)


def _uncoded(text: str, *, markup: bool) -> str:
    """Text that is no code, without invisible characters, up to where nobody can tell what is shown."""
    # First the cells: an invisible character may make one.
    steps: list[Callable[[str], str]] = [
        _without_hidden_cells,
        without_invisible,
        lambda part: hidden_blocks.without_fence_words(part, _CUT, markup=markup),
    ]
    if markup:
        steps += [
            lambda part: _TAG_IN_IMAGE_TEXT.sub(_CUT, part),
            _without_hidden_cells,
            lambda part: hidden_tags.bare_markup(part, _UNSHOWN_NAME, _CUT),
        ]
    return _up_to_cut(text, steps)


def _up_to_cut(text: str, steps: Iterable[Callable[[str], str]]) -> str:
    """``text`` after all steps; a mark that one of them sets ends it, so that nothing behind is read with what is
    before."""
    end = ""
    for step in steps:
        text, cut, _ = step(text).partition(_CUT)
        end = end or cut
    return text + end


def _without_hidden_cells(text: str) -> str:
    return hidden_blocks.without_hidden_cells(text, _CUT)


def _without_unshown_elements(text: str) -> str:
    """``text`` without elements whose text is not shown, in one pass over it."""
    pieces: list[str] = []
    last = at = 0
    endless: set[str] = set()
    while begun := _UNSHOWN_ELEMENT.search(text, at):
        name = begun[1].lower()
        at = begun.end()
        ended = None if name in endless else re.compile(rf"</{name}\s*>", re.IGNORECASE).search(text, at)
        if ended is None:
            endless.add(name)
            if name not in _TO_THE_END:
                continue
        pieces += [text[last : begun.start()], " "]
        last = at = ended.end() if ended else len(text)
    return "".join([*pieces, text[last:]])


def _without_image_texts(text: str) -> str:
    """Every ``![text]`` emptied, brackets in it counted, in one pass over ``text``."""
    if "![" not in text:
        return text
    open_brackets: list[tuple[int, bool]] = []
    cuts: list[tuple[int, int]] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "[":
            is_image = text[position - 1 : position] == "!"
            open_brackets.append((position + 1, is_image and text[position - 2 : position - 1] != "<"))
        elif character == "]" and open_brackets:
            start, is_image = open_brackets.pop()
            if is_image:
                while cuts and cuts[-1][0] >= start:
                    cuts.pop()
                cuts.append((start, position))
        position += 1
    # One that doesn't end has lost its end to what was taken out.
    for start, is_image in open_brackets:
        if is_image and not (cuts and cuts[-1][1] > start):
            paragraph = text.find("\n\n", start)
            cuts.append((start, paragraph if paragraph >= 0 else len(text)))
    pieces, last = [], 0
    for start, end in cuts:
        pieces.append(text[last:start])
        last = end
    return "".join(pieces) + text[last:]


_STEPS: tuple[Callable[[str], str], ...] = (
    _without_hidden_cells,
    lambda text: hidden_blocks.without_hover(text, _CUT),
    _without_unshown_elements,
    lambda text: hidden_tags.bare_tags(text, _CUT),
    _without_image_texts,
    lambda text: hidden_blocks.without_hover(text, _CUT),
    hidden_blocks.without_hidden_definitions,
    _without_hidden_cells,
    hidden_blocks.without_unseen_math,
)
