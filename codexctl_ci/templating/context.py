"""What every template of a project can see, in Go's spelling and in Jinja's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

GO_NAMES = {
    "env": "Env",
    "namespace": "Namespace",
    "project": "Project",
    "project_root": "ProjectRoot",
    "slot": "Slot",
    "now": "Now",
    "env_map": "EnvMap",
    "vars": "Vars",
    "user_vars": "UserVars",
    "versions": "Versions",
    "base_domain": "BaseDomain",
    "codex": "Codex",
    "storage": "Storage",
    "issue_comments": "IssueComments",
    "review_comments": "ReviewComments",
}


class StringMap(dict[str, str]):
    """A map of strings to strings: a key that isn't there gives the empty string, in both dialects."""

    def __missing__(self, key: object) -> str:
        return ""


class Record(dict[str, object]):
    """A structure whose fields answer to any spelling: ``mountPath``, ``MountPath`` and ``mount_path`` are one field.

    Nested mappings and lists become records too. Unset fields should be given with their zero value ("", [], 0):
    a field that isn't there counts as a missing key.
    """

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__((key, _record(value)) for key, value in fields.items())
        self._spellings = {_bare(key): key for key in self}

    def __missing__(self, key: object) -> object:
        if isinstance(key, str):
            spelled = self._spellings.get(_bare(key))
            if spelled is not None:
                return self[spelled]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, str) and _bare(key) in self._spellings)


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def _record(value: object) -> object:
    if isinstance(value, Record | StringMap):
        return value
    if isinstance(value, Mapping):
        return Record(value)
    if isinstance(value, list | tuple):
        return [_record(item) for item in value]
    return value


@dataclass(frozen=True)
class TemplateContext:
    """The names templates see: ``.ProjectRoot`` in the Go dialect is ``project_root`` in Jinja.

    ``slot`` is 0 where there is none. ``now`` is the UTC time of loading. The five string maps give "" for a
    missing key; elsewhere a missing key is an error. ``codex`` and ``storage`` are plain mappings in the spelling
    of services.yaml; their fields answer to Go's, Jinja's and that spelling. Comments are mappings with
    ``issue_number`` (or ``pr_number``), ``id``, ``author``, ``url``, ``body``, ``created_at`` (and ``thread_id``).
    ``extra`` holds the top-level scalars of services.yaml under their own keys; the names above win over it.
    """

    env: str = ""
    namespace: str = ""
    project: str = ""
    project_root: str = ""
    slot: int = 0
    now: datetime | None = None
    env_map: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)
    user_vars: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    base_domain: Mapping[str, str] = field(default_factory=dict)
    codex: Mapping[str, object] = field(default_factory=dict)
    storage: Mapping[str, object] = field(default_factory=dict)
    issue_comments: Sequence[Mapping[str, object]] = ()
    review_comments: Sequence[Mapping[str, object]] = ()
    extra: Mapping[str, object] = field(default_factory=dict)

    def go_names(self) -> dict[str, object]:
        """The context as the Go dialect sees it; a fresh dict at each call."""
        return {**self.extra, **{GO_NAMES[name]: value for name, value in self._items}}

    def jinja_names(self) -> dict[str, object]:
        """The context as Jinja sees it; a fresh dict at each call."""
        return {**self.extra, **dict(self._items)}

    @cached_property
    def _items(self) -> tuple[tuple[str, object], ...]:
        # Kept: a stack renders hundreds of texts with one context.
        return tuple(self._views())

    def _views(self) -> Iterator[tuple[str, object]]:
        for name in ("env", "namespace", "project", "project_root", "slot", "now"):
            yield name, getattr(self, name)
        for name in ("env_map", "vars", "user_vars", "versions", "base_domain"):
            yield name, StringMap(getattr(self, name))
        yield "codex", Record(self.codex)
        yield "storage", Record(self.storage)
        yield "issue_comments", [Record(comment) for comment in self.issue_comments]
        yield "review_comments", [Record(comment) for comment in self.review_comments]
