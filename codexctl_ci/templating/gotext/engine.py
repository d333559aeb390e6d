"""Rendering in the Go dialect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.errors import TemplateError


class GoEngine:
    """The Go dialect for one project; see ``Engine``."""

    def __init__(self, partials: Mapping[str, str], env: Mapping[str, str], now: datetime) -> None:
        self._partials = partials

    def render(self, text: str, context: TemplateContext, *, file: str) -> str:
        """See ``Engine``."""
        raise TemplateError("the Go dialect is not there yet", file=file)
