"""Texts as compose writes them, as Jinja and YAML write them."""

from __future__ import annotations

import json
import re

from codexctl_ci.guardrails.secret_names import names_a_secret

# $$, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?words}, $NAME
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)(?::?([-?+])([^}]*))?\}|(\w+))")
_CREDENTIALS_IN_URL = re.compile(r"://[^/\s:@]*:[^@\s/]+@")


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks as if its value must not be written down."""
    return names_a_secret(name) or name.upper().endswith("_KEY") or bool(_CREDENTIALS_IN_URL.search(value))


def scalar(value: str, *, required: bool = False) -> str:
    """``value`` as a YAML scalar in a template, for a place where texts are wanted.

    ``required``: a reference without a default of its own may not be empty.
    """
    pieces = list(_pieces(value, required))
    if all(not reference for reference, _ in pieces):
        text = "".join(text for _, text in pieces)
        quoted = json.dumps(text, ensure_ascii=False)
        return f"{{{{ {quoted} | tojson }}}}" if re.search(r"\{[{%#]", text) else quoted
    joined = " ~ ".join(text if reference else json.dumps(text, ensure_ascii=False) for reference, text in pieces)
    return f"{{{{ ({joined}) | tojson }}}}"


def inline(value: str) -> str:
    """``value`` with its references as Jinja expressions, for the inside of a quoted scalar."""
    return "".join(f"{{{{ {text} }}}}" if reference else text for reference, text in _pieces(value))


def references(value: str) -> list[str]:
    """Names that ``value`` refers to."""
    return [found[2] or found[5] for found in _REFERENCE.finditer(value) if not found[1]]


def _pieces(value: str, required: bool = False) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = []
    end = 0
    for reference in _REFERENCE.finditer(value):
        if reference.start() > end:
            found.append((False, value[end : reference.start()]))
        end = reference.end()
        if reference[1]:
            found.append((False, "$"))
            continue
        name = reference[2] or reference[5]
        if required and reference[3] != "-":
            found.append((True, f"envRequired('{name}')"))
        else:
            found.append((True, f"envOr('{name}', {_jinja(reference[4] if reference[3] == '-' else '')})"))
    if end < len(value) or not found:
        found.append((False, value[end:]))
    return found


def _jinja(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
