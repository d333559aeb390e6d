"""What Markdown itself hides: definitions that nothing uses, words after a fence, cells beyond a table's header,
comments in drawings and formulas."""

from __future__ import annotations

import re
from collections.abc import Callable

from codexctl_ci.prompts.hidden_tags import ADDRESS
from codexctl_ci.prompts.shown_code import CONTAINERS

_TITLE = r"""(?:"(?:[^"\\\n]|\\.|\n(?!\s*\n))*"|'(?:[^'\\\n]|\\.|\n(?!\s*\n))*'|\((?:[^()\\\n]|\\.|\n(?!\s*\n))*\))"""
_LINK_TITLE = re.compile(r"(\]\(\s*(?:<[^<>\n]*>|[^\s()<>]+))\s+" + _TITLE + r"\s*\)")
_TAG_BEGINS = re.compile(r"<[A-Za-z/!?]")
_LINK_TARGET = re.compile(r"\]\([ \t]*(<[^<>\n]*>)[ \t]*\)")
_EMPTY_LINK = re.compile(r"(?<![!\]])\[\s*\]\((?:<[^<>\n]*>|[^\s()<>]*)\)")
_DEFINITION = re.compile(
    r"^(?P<lead>(?:[ \t]|>|[*+-][ \t]|\d{1,9}[.)][ \t])*)"
    r"\[(?P<label>(?!\^)(?:[^\[\]\\\n]|\\.|\n(?!\s*\n)){1,999})\]:"
    r"[ \t]*\n?[ \t]*(?P<target><[^<>\n]*>|\S*)"
    r"(?:[ \t]*\n?[ \t>]*" + _TITLE + r"(?=[ \t]*$)"
    # A title that doesn't end has lost its end to what was taken out.
    r"|[ \t]*\n?[ \t>]+[\"'(][^\n]*(?:\n(?![ \t>]*$)[^\n]*)*)?(?P<rest>[^\n]*)",
    re.MULTILINE,
)
# Its first paragraph goes on over lines that are not indented, the following ones are.
_FOOTNOTE = re.compile(
    r"^(?P<lead>[ \t>]*)\[\^(?P<label>[^\]\s]{1,200})\]:"
    r"(?P<text>[^\n]*(?:\n(?![ \t>]*$)(?![ \t>]*\[\^[^\]\s]+\]:)[^\n]+)*"
    r"(?:\n(?:[ \t>]*\n)*(?: {4}|\t)[^\n]*)*)",
    re.MULTILINE,
)
_FENCE = re.compile(
    rf"^(?P<lead>{CONTAINERS}(?:`{{3,}}(?=[^`\n]*$)|~{{3,}}))(?P<gap>[ \t]*)(?P<info>[^\n]*)$", re.MULTILINE
)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,20}")
_DELIMITERS = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_CELL_END = re.compile(r"(?<!\\)\|")
_OTHER_BLOCK = re.compile(r"[ \t]*(?:#{1,6}[ \t]|>|[*+-][ \t]|\d{1,9}[.)][ \t]|`{3}|~{3})")
_LABEL_LIMIT = 60
_SIMPLE_LABEL = re.compile(r"[\w.+-]{1,24}")
_UNSEEN_MATH = re.compile(
    r"\\(?:[hv]?phantom|(?:text)?color\s*\{\s*(?:white|transparent|#f{3,6})\s*\}|hspace|label|tag)\s*"
    r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}",
    re.IGNORECASE,
)
_WHITE = re.compile(r"\{?\s*\\color\s*\{\s*(?:white|transparent|#f{3,6})\s*\}[^$}]*\}?", re.IGNORECASE)
_DRAWING_NOTE = re.compile(r"^[ \t]*(?:%%|accTitle|accDescr|click[ \t]|title:|link[ \t]|callback[ \t])[^\n]*$", re.M)


def without_hover(text: str, cut: str) -> str:
    """``text`` without what links say on hovering only, and without links that show nothing. Where a tag may begin in
    such words, the mark ``cut`` says that nobody can tell what is shown."""
    text = _LINK_TITLE.sub(lambda link: f"{link[1]})" if not _TAG_BEGINS.search(link[0]) else cut, text)
    text = _LINK_TARGET.sub(lambda link: link[0] if _is_address(link[1]) else "]()", text)
    return _EMPTY_LINK.sub(" ", text)


def without_fence_words(text: str, cut: str, *, markup: bool) -> str:
    """``text`` without what stands after the language of a block of code, which is never shown.

    The mark ``cut`` says that nobody can tell what is shown: where ``text`` may be HTML (``markup``), in which a fence
    is none, and where the line may be a table's header.
    """

    def language(fence: re.Match[str]) -> str:
        found = _LANGUAGE.match(fence["info"])
        word = found[0] if found else ""
        if "|" in fence["info"] or (markup and "<" in fence["info"]):
            return cut
        return fence[0] if word == fence["info"] else f"{fence['lead']}{fence['gap'] if word else ''}{word}"

    return _FENCE.sub(language, text)


def without_unseen_math(text: str) -> str:
    """Formulas without what they draw as nothing."""
    if "\\" not in text:
        return text
    return _WHITE.sub(" ", _UNSEEN_MATH.sub(" ", text)) if re.search(r"\\(?:[hv]?phantom|\w*color)\b", text) else text


def drawing(source: str) -> str:
    """The source of a drawing or a formula as far as it is drawn; of a map nothing, which is a list of numbers."""
    if source.lstrip().startswith(("{", "solid")):
        return "(the data of a drawing, left out)\n"
    source = re.sub(r"accDescr\s*\{[^}]*\}", "", source)
    source = _DRAWING_NOTE.sub("", source)
    return without_unseen_math(re.sub(r"(?<!\\)%[^\n]*", "", source))


def without_hidden_cells(text: str, cut: str) -> str:
    """Rows of tables have as many cells as the header: what is beyond is not shown. Where a tag or code may begin
    or end there, the mark ``cut`` says that nobody can tell what is shown."""
    if "|" not in text and ":-" not in text and "-:" not in text:
        return text
    lines = text.split("\n")
    width = 0
    for at, line in enumerate(lines):
        lead, row = _led(line)
        if width and (not row.strip() or (_OTHER_BLOCK.match(line) and not line.lstrip().startswith(">"))):
            width = 0
        if width:
            cells = _cells(row)
            if len(cells) > width:
                beyond = row[cells[width - 1] :]
                if _TAG_BEGINS.search(beyond) or ">" in beyond or "`" in beyond:
                    # It may have begun in a cell that is shown.
                    return "\n".join([*lines[:at], lead + re.split("[<`]", row[: cells[width - 1]])[0] + cut])
                lines[at] = lead + row[: cells[width - 1]].rstrip() + (" |" if row.lstrip().startswith("|") else "")
        elif at and _DELIMITERS.match(row) and ("|" in row or ":" in row):
            wanted = len(_cells(row))
            header = _led(lines[at - 1])[1]
            width = wanted if header.strip() and len(_cells(header)) == wanted else 0
    return "\n".join(lines)


def _led(line: str) -> tuple[str, str]:
    lead = re.match(CONTAINERS, line)
    end = lead.end() if lead else 0
    return line[:end], line[end:]


def _cells(row: str) -> list[int]:
    """Where each cell of a row ends."""
    ends = [found.start() for found in _CELL_END.finditer(row)]
    if ends and not row[: ends[0]].strip():
        ends = ends[1:]
    if not ends or row[ends[-1] + 1 :].strip():
        ends.append(len(row))
    return ends


def without_hidden_definitions(text: str) -> str:
    """Link definitions are never shown: only those stay that something visible uses, without their title; of footnotes
    those that something refers to, each once."""
    if "]:" not in text:
        return text
    return _without_hidden_links(_without_hidden_footnotes(text))


def _without_hidden_footnotes(text: str) -> str:
    notes = list(_FOOTNOTE.finditer(text))
    if not notes:
        return text
    shown = _references(_FOOTNOTE.sub("", text))
    grown = True
    while grown:
        grown = False
        for note in notes:
            more = _references(note["text"]) - shown
            if note["label"].casefold() in shown and more:
                shown |= more
                grown = True
    seen: set[str] = set()

    def judge(note: re.Match[str]) -> str:
        label = note["label"].casefold()
        keep = label in shown and label not in seen and _SIMPLE_LABEL.fullmatch(label) is not None
        seen.add(label)
        return note[0] if keep else note["lead"].rstrip()

    text = _FOOTNOTE.sub(judge, text)
    return re.sub(r"(?<!\\)\[\^(?![\w.+-]{1,24}\])[^\]\s]{1,200}\]", " ", text)


def _references(text: str) -> set[str]:
    return {label.casefold() for label in re.findall(r"(?<!\\)\[\^([^\]\s]{1,200})\](?!:)", text)}


def _without_hidden_links(text: str) -> str:
    definitions = list(_DEFINITION.finditer(text))
    if not definitions:
        return text
    visible = re.sub(r"\\.", "", _DEFINITION.sub("", text)).casefold()
    inline: dict[str, str] = {}

    def judge(found: re.Match[str]) -> str:
        label = found["label"].strip()
        comment = label == "//" or label.casefold() == "comment" or re.match(r"(#|<>)", found["target"])
        if found["rest"].strip() and not comment:
            return found[0]  # no definition, hence shown as written
        unused = f"[{label}]".casefold() not in visible
        if comment or unused or len(label) > _LABEL_LIMIT or "\n" in label or not _is_address(found["target"]):
            return found["lead"].rstrip()
        if not _SIMPLE_LABEL.fullmatch(label) and f"][{label}]".casefold() in visible:
            inline[label.casefold()] = found["target"]
            return found["lead"].rstrip()
        return f"{found['lead']}[{label}]: {found['target']}"

    text = _DEFINITION.sub(judge, text)
    return re.sub(r"\]\[([^\[\]\n]{1,60})\]", _inlining(inline), text) if inline else text


def _inlining(inline: dict[str, str]) -> Callable[[re.Match[str]], str]:
    def replace(use: re.Match[str]) -> str:
        target = inline.get(use[1].strip().casefold())
        return use[0] if target is None else f"]({target})"

    return replace


def _is_address(target: str) -> bool:
    return re.fullmatch(ADDRESS, target.removeprefix("<").removesuffix(">")) is not None
