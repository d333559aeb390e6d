"""The ``codex`` and ``storage`` sections as templates see them: every field there, with a zero value where unset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.schema_types import Section

_TIMEOUTS = {"exec": "60m", "rollout": "1200s", "deployWait": "10m"}


def codex_view(spec: StackSpec, document: Mapping[str, Any]) -> dict[str, object]:
    """The agent's section in the spelling of services.yaml; durations are the text they were written as."""
    view = _view(spec.codex)
    written = document.get("codex")
    given = written.get("timeouts") if isinstance(written, Mapping) else None
    known = {key: value for key, value in given.items() if value} if isinstance(given, Mapping) else {}
    return {**view, "timeouts": {**_TIMEOUTS, **known}}


def storage_view(spec: StackSpec) -> dict[str, object]:
    """The volumes' section in the spelling of services.yaml."""
    return _view(spec.storage)


def _view(section: Section) -> dict[str, object]:
    return {name: _zeroed(getattr(section, row.attribute)) for name, row in section.keys().items()}


def _zeroed(value: Any) -> Any:
    if isinstance(value, Section):
        return _view(value)
    if isinstance(value, dict):
        return {key: _zeroed(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_zeroed(item) for item in value]
    return "" if value is None else value
