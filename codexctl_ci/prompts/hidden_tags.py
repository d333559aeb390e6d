"""Tags of a Markdown text as its page has them: what they carry besides is not shown, unknown ones are gone."""

from __future__ import annotations

import re

# What stays of a page's tags. All others vanish from it, and with them their attributes.
_SHOWN = re.compile(
    r"a|abbr|b|bdo|blockquote|br|caption|cite|code|dd|del|details|dfn|div|dl|dt|em|figcaption|figure|h[1-8]|hr|i|img|ins|"
    r"kbd|li|mark|ol|p|picture|pre|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|summary|sup|table|tbody|td|"
    r"tfoot|th|thead|time|tr|tt|ul|var|wbr",
    re.IGNORECASE,
)
_COMMENT = r"<!--(?s:.*?)(?:-->|\Z)|<!\[CDATA\[(?s:.*?)(?:\]\]>|\Z)|<\?(?s:.*?)(?:\?>|\Z)|<![A-Za-z\[][^>]*(?:>|\Z)"
_IMAGE = r"""<img\b(?:(?:[^>"']|"[^"]*"|'[^']*')*+>|[^>]*(?:>|\Z))"""
# A tag goes on in the next line, unless that begins a block of its own.
_BLOCKS = (
    r"address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    r"fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    r"menuitem|nav|noframes|ol|optgroup|option|p|param|pre|script|search|section|style|summary|table|tbody|td|textarea|"
    r"tfoot|th|thead|title|tr|track|ul"
)
_GAP = (
    r"(?:[ \t]|\n(?![ \t]*(?:\n|>|[-*+][ \t\n]|\#{1,6}[ \t\n]|`{3,}(?=[^`\n]*(?:\n|\Z))|~{3}|\d{1,9}[.)][ \t\n]|"
    rf"<[!?]|</?(?:{_BLOCKS})[\s/>]|(?:=+|-{{2,}}|(?:\*[ \t]*){{3,}})[ \t]*(?:\n|\Z))))"
)
_TAG = (
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)"
    rf"(?P<rest>(?:{_GAP}+[A-Za-z_:][\w.:-]*+"
    rf"(?:{_GAP}*={_GAP}*(?:\"(?:[^\"\n]|{_GAP})*+\"|'(?:[^'\n]|{_GAP})*+'|[^\s\"'=<>`]++))?)*+{_GAP}*/?)>"
)
_MARKUP = re.compile(f"(?P<comment>{_COMMENT})|(?P<image>{_IMAGE})|{_TAG}", re.IGNORECASE)
_NESTED = re.compile(r"<[!?]|(?<=<[!?][A-Za-z?>])[^>]*<|(?<=<\?)[\s\S]*<")
_BEGIN = re.compile(
    r"(?P<skip>(?i:<!--|<!\[CDATA\[|<\?))|<(?P<bogus>[!/](?![A-Za-z]))|<(?P<close>/?)(?P<name>[A-Za-z][^\s/>]*)|(?P<declared><![A-Za-z])"
)
_INSIDE = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*+""")
_QUOTATION = re.compile(r"\n[ \t>]*\Z")
_ENDS = {"<!--": "-->", "<![cdata[": "]]>", "<?": "?>"}
_ATTRIBUTE = re.compile(r"""\s+([^\s"'<>/=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'=<>`]+))?""")
_PLAIN_VALUES = {
    "align": r"left|right|center|top|middle|bottom|justify",
    "colspan": r"\d{1,3}",
    "rowspan": r"\d{1,3}",
    "width": r"\d{1,4}(?:px|%)?",
    "height": r"\d{1,4}(?:px|%)?",
    "start": r"\d{1,6}",
}
ADDRESS = r"(?:(?:https?://|mailto:)[^\s<>\"'`\\]+|[\w./#~%@+-][\w./#~%@?&=+:,;*$!-]*)"
"""An address that leads somewhere, as opposed to words that nobody sees."""
_ADDRESS = re.compile(ADDRESS)


def bare_tags(text: str, cut: str) -> str:
    """``text`` without comments and their like, closed or not, and its tags with what the page shows of them.

    Where one begins inside of another, readers differ on where they end: the mark ``cut`` stands there.
    """
    pieces: list[str] = []
    at = 0
    while found := _MARKUP.search(text, at):
        pieces.append(text[at : found.start()])
        at = found.end()
        # A space in its place keeps the two sides from growing together into something new.
        if found["comment"]:
            if _NESTED.search(found[0], 2) or (found[0].startswith("<![") and not found[0].startswith("<![CDATA[")):
                return "".join([*pieces, cut])
            pieces.append(" ")
        elif found["image"]:
            if "![" in found["image"]:
                return "".join([*pieces, cut])
            pieces.append(_bare("img", "", found["image"][4:].rstrip(">")))
            at = _end_of_all(text, found.start(), at)
        else:
            pieces.append(_bare(found["name"], found["close"], found["rest"]))
    return "".join([*pieces, text[at:]])


def _end_of_all(text: str, start: int, end: int) -> int:
    """Where all ends that begins inside of a tag which is one for some readers only."""
    begin = text.find("<", start + 1, end)
    while begin >= 0 and end < len(text):
        if inner := _MARKUP.match(text, begin):
            end = max(end, inner.end())
        begin = text.find("<", begin + 1, end)
    return end


def bare_markup(text: str, keep: re.Pattern[str], cut: str) -> str:
    """The same for text that is read as HTML, where tags need not be well formed; those that ``keep`` names stay, bare,
    and comments too.

    A value whose quotes don't end takes all that follows along: the mark ``cut`` then stands in its place.
    """
    pieces: list[str] = []
    at = 0
    while begun := _BEGIN.search(text, at):
        if begun["skip"]:
            closer = _ENDS[begun["skip"].lower()]
            end = text.find(closer, begun.end())
            if end < 0:
                break
            pieces.append(text[at : end + len(closer)])
            at = end + len(closer)
            continue
        pieces.append(text[at : begun.start()])
        inside = _INSIDE.match(text, begun.end()) if begun["name"] else None
        end = inside.end() if inside else text.find(">", begun.end()) % (len(text) + 1)
        if end == len(text):
            # It goes on beyond this paragraph, up to the next bracket.
            return "".join([*pieces, "<!X "])
        if text[end] != ">" or _QUOTATION.search(text, begun.end(), end):
            # A bracket that begins a line may be the mark of a quotation, and end nothing.
            return "".join([*pieces, cut])
        at = _end_of_all(text, begun.start(), end + 1)
        if at == len(text) and not text.endswith(">"):
            return "".join([*pieces, cut])
        name = begun["name"]
        if name is None:
            pieces.append(" ")
        elif keep.fullmatch(name):
            pieces.append(f"<{begun['close']}{name}>")
        else:
            pieces.append(_bare(name, begun["close"], text[begun.end() : end]))
    return "".join([*pieces, text[at:]])


def _bare(name: str, close: str, rest: str) -> str:
    if not _SHOWN.fullmatch(name):
        return " "
    if close:
        return f"</{name}>"
    if not rest.strip(" /\t\n"):
        return f"<{name}{rest}>" if name.lower() != "img" else " "
    kept = "".join(found[0] for found in _ATTRIBUTE.finditer(rest) if _leads_on(found))
    if name.lower() == "img" and not re.search(r"\ssrc\s*=", kept, re.IGNORECASE):
        return " "
    return f"<{name}{kept}{' /' if rest.endswith('/') and not kept.endswith('/') else ''}>"


def _leads_on(attribute: re.Match[str]) -> bool:
    name, value = attribute[1].lower(), (attribute[2] or "").strip("\"'")
    if name == "open":
        return attribute[2] is None or not value
    if name in ("href", "src"):
        return _ADDRESS.fullmatch(value) is not None
    return name in _PLAIN_VALUES and re.fullmatch(_PLAIN_VALUES[name], value, re.IGNORECASE) is not None
