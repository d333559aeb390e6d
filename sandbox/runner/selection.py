"""Which workflows an event starts, by their `on:`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_DEFAULT_TYPES = {"pull_request": {"opened", "synchronize", "reopened"}}
_SKIP = re.compile(r"\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]")
_UNSUPPORTED = frozenset({"paths", "paths-ignore", "tags-ignore"})
Json = Any


class Unreadable(ValueError):
    """A workflow file can't be used."""


@dataclass(frozen=True)
class Workflow:
    """A workflow file and its triggers: event name to filter."""

    file: str
    name: str
    triggers: Mapping[str, Mapping[str, Json]]


def read_workflow(path: Path) -> Workflow:
    """Read a workflow file's name and triggers; raise Unreadable."""
    try:
        # The base loader leaves `on` a string.
        document = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
        events = document["on"]
    except (yaml.YAMLError, KeyError, TypeError) as reason:
        raise Unreadable(f"{path.name}: {reason}") from reason
    if isinstance(events, str):
        events = [events]
    triggers = {name: {} for name in events} if isinstance(events, list) else events
    return Workflow(path.name, document.get("name") or path.name, {name: item or {} for name, item in triggers.items()})


def workflows(folder: Path) -> Iterator[Workflow]:
    """Yield the workflows of a repository's tree, in the order of their names."""
    for path in sorted((folder / ".github" / "workflows").glob("*.y*ml")):
        yield read_workflow(path)


def _listed(filter_: Mapping[str, Json], key: str) -> list[str]:
    value = filter_.get(key, [])
    return [value] if isinstance(value, str) else list(value)


def _pattern(text: str) -> re.Pattern[str]:
    piece = re.escape(text).replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", ".")
    return re.compile(piece)


def _branch_fits(filter_: Mapping[str, Json], branch: str) -> bool:
    wanted, unwanted = _listed(filter_, "branches"), _listed(filter_, "branches-ignore")
    if wanted:
        fits = False
        for item in wanted:
            negative = item.startswith("!")
            if _pattern(item.removeprefix("!")).fullmatch(branch):
                fits = not negative
        return fits
    return not any(_pattern(item).fullmatch(branch) for item in unwanted)


def starts(workflow: Workflow, event: str, payload: Json) -> bool:
    """Say whether an event starts a workflow; a filter that isn't known here raises Unreadable."""
    filter_ = workflow.triggers.get(event)
    if filter_ is None:
        return False
    if unknown := _UNSUPPORTED & set(filter_):
        raise Unreadable(f"{workflow.file}: the sandbox's runner does not know {', '.join(sorted(unknown))}")
    if event == "push":
        return _push_starts(filter_, payload)
    types = set(_listed(filter_, "types")) or _DEFAULT_TYPES.get(event)
    if types and payload.get("action") not in types:
        return False
    if event.startswith("pull_request") and ("branches" in filter_ or "branches-ignore" in filter_):
        return _branch_fits(filter_, payload["pull_request"]["base"]["ref"])
    return True


def _push_starts(filter_: Mapping[str, Json], payload: Json) -> bool:
    if payload["deleted"]:
        return False
    message = (payload.get("head_commit") or {}).get("message", "")
    if _SKIP.search(message):
        return False
    ref = payload["ref"]
    if ref.startswith("refs/tags/"):
        tags = _listed(filter_, "tags")
        only_branches = "branches" in filter_ or "branches-ignore" in filter_
        return any(_pattern(item).fullmatch(ref[10:]) for item in tags) or (not tags and not only_branches)
    if "tags" in filter_ and "branches" not in filter_ and "branches-ignore" not in filter_:
        return False
    return _branch_fits(filter_, ref.removeprefix("refs/heads/"))
