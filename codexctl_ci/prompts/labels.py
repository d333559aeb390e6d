"""What an issue's labels say to the agent: model, effort, intent.

Labels stand with or without brackets and in any case: ``[ai-model-gpt-5.1]``, ``AI-High``, ``bug``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from codexctl_ci.errors import ConfigError

EFFORTS = ("low", "medium", "high", "xhigh")
INTENTS = ("feature", "bug", "doc", "debt", "idea", "epic")

_MODEL_PREFIX = "ai-model-"
_EFFORT_LABEL = re.compile(r"ai-(?:reasoning-)?(low|medium|high|xhigh|extra-high|extra high)\Z")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}\Z")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value and where it came from, as a person would say it."""

    value: str
    source: str


def plain(label: str) -> str:
    """A label without its brackets, in lower case."""
    text = label.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].strip()
    return text.casefold()


def model_of(labels: Iterable[str], where: str) -> str:
    """The model that ``labels`` name, empty for none. Two different ones are a ConfigError that names both."""
    names = [plain(label)[len(_MODEL_PREFIX) :] for label in labels if plain(label).startswith(_MODEL_PREFIX)]
    return _only([checked_model(name, where) for name in names], "model", where)


def effort_of(labels: Iterable[str], where: str) -> str:
    """The effort that ``labels`` name, empty for none. Two different ones are a ConfigError that names both."""
    found = [_EFFORT_LABEL.match(plain(label)) for label in labels]
    return _only([checked_effort(match[1], where) for match in found if match], "reasoning effort", where)


def intents_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The kinds of work that ``labels`` name, in the order of INTENTS."""
    names = {plain(label) for label in labels}
    return tuple(intent for intent in INTENTS if intent in names)


def checked_model(name: str, where: str) -> str:
    """``name`` if it can be a model's name. Raises ConfigError."""
    if not _MODEL_NAME.match(name):
        raise ConfigError(f"{name!r} cannot be the name of a model", where=where, hint="use letters, digits, . _ : / -")
    return name


def checked_effort(name: str, where: str) -> str:
    """``name`` as one of EFFORTS; ``extra-high`` is ``xhigh``. Raises ConfigError."""
    effort = name.strip().casefold().replace(" ", "-")
    effort = "xhigh" if effort == "extra-high" else effort
    if effort not in EFFORTS:
        raise ConfigError(f"{name!r} is no reasoning effort", where=where, hint=f"one of {', '.join(EFFORTS)}")
    return effort


def _only(found: list[str], what: str, where: str) -> str:
    different = sorted(set(found))
    if len(different) > 1:
        raise ConfigError(
            f"two labels choose a {what}: {' and '.join(different)}", where=where, hint="remove all of them but one"
        )
    return different[0] if different else ""


def choose(
    *,
    flag: str,
    from_issue: str,
    from_pull: str,
    variable: str,
    file: str,
    default: str = "",
) -> Choice:
    """The strongest value that is not empty: flag, issue label, PR label, variable, services.yaml, default."""
    for value, source in (
        (flag, "command line"),
        (from_issue, "issue label"),
        (from_pull, "pull request label"),
        (variable, "variable"),
        (file, "services.yaml"),
    ):
        if value:
            return Choice(value, source)
    return Choice(default, "default")
