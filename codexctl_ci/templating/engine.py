"""One way to render templates, whatever the dialect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect


class Engine(Protocol):
    """Renders the texts of one project; partials and functions are fixed, the context comes with each call."""

    def render(self, text: str, context: TemplateContext, *, file: str) -> str:
        """``text`` rendered; ``file`` is how errors name it. Raises ``TemplateError``."""
        ...


def make_engine(
    dialect: Dialect,
    *,
    partials: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    now: datetime,
) -> Engine:
    """An engine for ``dialect``; only that dialect's code is imported.

    ``partials``: file name to text, in the order they were listed. A partial is known by its whole name and, where
    only one has it, by its last part. ``env`` is what ``envOr`` looks into. ``now`` is what ``now`` gives, in UTC.
    Raises ``TemplateError`` for a partial that doesn't parse, and for two definitions of one name.
    """
    if dialect is Dialect.GO:
        from codexctl_ci.templating.gotext.engine import GoEngine

        return GoEngine(partials or {}, env or {}, now)
    from codexctl_ci.templating.jinja.engine import JinjaEngine

    return JinjaEngine(partials or {}, env or {}, now)
