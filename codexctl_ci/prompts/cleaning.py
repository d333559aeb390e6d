"""Foreign text without what its page doesn't show: a person who approves an issue sees what the model reads.

What is removed: HTML comments, CDATA, processing instructions and declarations (closed or not), link definitions used
as comments, texts and titles of images and links that show only on hovering, invisible characters. Where readers of
Markdown disagree, more is removed. Cleaning a cleaned text changes nothing.
"""

from __future__ import annotations

import re

from codexctl_ci.prompts.invisible import without_invisible

_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<!\[CDATA\[.*?(?:\]\]>|\Z)"
    r"|<\?.*?(?:\?>|\Z)"
    r"|<![A-Za-z\[][^>]*(?:>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_IMAGE_TAG = re.compile(r"""<img\b(?:(?:[^>"']|"[^"]*"|'[^']*')*+>|[^>]*(?:>|\Z))""", re.IGNORECASE)
_IMAGE_SOURCE = re.compile(r"""\ssrc\s*=\s*("[^"<>\s]*"|'[^'<>\s]*'|[^\s"'<>]+)""", re.IGNORECASE)
_TAG = re.compile(
    r"""<[A-Za-z][A-Za-z0-9-]*(?:\s+[^\s"'<>/=]++(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]++))?)++\s*/?>"""
)
_HOVER_ATTRIBUTE = re.compile(
    r"""\s+(?:title|alt|summary|aria-[a-z]+|data-[a-z-]+|placeholder)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""",
    re.IGNORECASE,
)
_TITLE = r"""(?:"(?:[^"\\\n]|\\.|\n(?!\s*\n))*"|'(?:[^'\\\n]|\\.|\n(?!\s*\n))*'|\((?:[^()\\\n]|\\.|\n(?!\s*\n))*\))"""
_LINK_TITLE = re.compile(r"(\]\(\s*(?:<[^<>\n]*>|[^\s()<>]+))\s+" + _TITLE + r"\s*\)")
_DEFINITION = re.compile(
    r"^(?P<lead>(?:[ \t]|>|[*+-][ \t]|\d{1,9}[.)][ \t])*)"
    r"\[(?P<label>(?:[^\[\]\\\n]|\\.|\n(?!\s*\n)){1,999})\]:"
    r"[ \t]*\n?[ \t]*(?P<target><[^<>\n]*>|\S*)"
    r"(?:[ \t]*\n?[ \t>]*" + _TITLE + r"(?=[ \t]*$))?(?P<rest>[^\n]*)",
    re.MULTILINE,
)
_SCRIPT = re.compile(r"<(script|template|noscript)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_LABEL_LIMIT = 60
_PASSES = 40


def clean(text: str) -> str:
    """``text`` without hidden parts; what was visible stays, line by line. Idempotent."""
    for _ in range(_PASSES):
        cleaned = _clean_once(text)
        if cleaned == text:
            return text
        text = cleaned
    # Nested on purpose, deeper than anybody writes: take away what markup is made of.
    return re.sub(r"[<\[\]&]", " ", without_invisible(text)).strip()


def clean_line(text: str, limit: int = 200) -> str:
    """``text`` cleaned, as one line of at most ``limit`` characters: a title, a path, a name."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _clean_once(text: str) -> str:
    text = without_invisible(text)
    # A space in its place keeps the two sides from growing together into something new.
    text = _MARKUP.sub(" ", text)
    text = _SCRIPT.sub(" ", text)
    text = _IMAGE_TAG.sub(_bare_image, text)
    text = _TAG.sub(lambda tag: _HOVER_ATTRIBUTE.sub("", tag[0]), text)
    text = _without_image_texts(text)
    text = _LINK_TITLE.sub(r"\1)", text)
    text = _without_hidden_definitions(text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip()


def _bare_image(tag: re.Match[str]) -> str:
    source = _IMAGE_SOURCE.search(tag[0])
    return f"<img src={source[1]}>" if source else " "


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
            open_brackets.append((position + 1, position > 0 and text[position - 1] == "!"))
        elif character == "]" and open_brackets:
            start, is_image = open_brackets.pop()
            if is_image:
                while cuts and cuts[-1][0] >= start:
                    cuts.pop()
                cuts.append((start, position))
        position += 1
    pieces, last = [], 0
    for start, end in cuts:
        pieces.append(text[last:start])
        last = end
    return "".join(pieces) + text[last:]


def _without_hidden_definitions(text: str) -> str:
    """Link definitions are never shown: only those stay that something visible uses, without their title."""
    definitions = list(_DEFINITION.finditer(text))
    if not definitions:
        return text
    visible = _DEFINITION.sub("", text).casefold()

    def judge(found: re.Match[str]) -> str:
        label = found["label"].strip()
        comment = label == "//" or label.casefold() == "comment" or re.match(r"(#|<>)", found["target"])
        if found["rest"].strip() and not comment:
            return found[0]  # no definition, hence shown as written
        unused = f"[{label}]".casefold() not in visible
        if comment or unused or len(label) > _LABEL_LIMIT or "\n" in label:
            return found["lead"].rstrip()
        if label.startswith("^"):
            return found[0]
        if not re.match(r"<?(https?://|mailto:|/|\./|\.\./)", found["target"]):
            return found["lead"].rstrip()
        return f"{found['lead']}[{label}]: {found['target']}"

    return _DEFINITION.sub(judge, text)
