"""``html``, ``js`` and ``urlquery``."""

from __future__ import annotations

import re

from codexctl_ci.templating.gotext.formatting import sprint
from codexctl_ci.templating.gotext.values import encode

_HTML = str.maketrans({"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS_SPECIAL = re.compile(r"""[\\'"<>&=\x00-\x1f]|[^\x00-\x7f]""")
_JS_QUOTED = {"\\": "\\\\", "'": "\\'", '"': '\\"'}


def html(*values: object) -> str:
    """The values as one text, safe inside HTML."""
    return _text(values).translate(_HTML)


def js(*values: object) -> str:
    """The values as one text, safe inside a JavaScript string."""
    return _JS_SPECIAL.sub(lambda match: _js_escaped(match.group()), _text(values))


def urlquery(*values: object) -> str:
    """The values as one text, safe inside the query of a URL."""
    from urllib.parse import quote_plus  # late: few templates need it, and it is slow to import

    return quote_plus(encode(_text(values)))


def _js_escaped(c: str) -> str:
    if c in _JS_QUOTED:
        return _JS_QUOTED[c]
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return c
    if code >= 0x80 and c.isprintable():
        return c
    return f"\\u{code:04X}"


def _text(values: tuple[object, ...]) -> str:
    return sprint(*("<no value>" if value is None else value for value in values))
