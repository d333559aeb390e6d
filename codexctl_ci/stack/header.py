"""What services.yaml says before anything in it is rendered.

As written, the file need not be YAML: control lines stand between its keys, and values hold unquoted actions. So it is
taken apart by its top-level keys, and each block is read by itself; blocks that can't be read alone are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.yaml_nodes import Builder, compose_all

_KEY = re.compile(r"""(["']?)([A-Za-z_][\w.-]*)\1\s*:(?=\s|$)""")
_CONTROL_LINE = re.compile(r"^\s*#?\s*(\{\{-?.*?-?\}\}|\{%.*?%\})\s*$")
_SETS_VARIABLE = re.compile(r"\{\{-?\s*\$\w+\s*:=.*?\}\}|\{%[-+]?\s*set\s.*?%\}")
_SCALAR_LINE = re.compile(r"""^(["']?)[A-Za-z_][\w.-]*\1\s*:[ \t]+(\S.*?)\s*$""")


@dataclass(frozen=True)
class Header:
    """The keys that the template context needs, as written. ``scalars`` are all top-level scalars, those included.

    ``patterns`` are templates for themselves: variables that comments at the top of the file set are set in them too.

    ``manifests`` are the paths of manifests, as far as they can be read.
    """

    project: str = ""
    env_files: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    base_domain: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    dialect: str = "auto"
    partials: tuple[str, ...] = ()
    scalars: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """The header in the shape of services.yaml, without what is empty."""
        namespace = {"patterns": dict(self.patterns)} if self.patterns else {}
        found: dict[str, Any] = {
            "project": self.project,
            "envFiles": list(self.env_files),
            "versions": dict(self.versions),
            "baseDomain": dict(self.base_domain),
            "namespace": namespace,
        }
        return {key: value for key, value in found.items() if value}


def read_header(text: str) -> Header:
    """The header of services.yaml as written. Never fails: what can't be read is left out."""
    blocks = {key: value for key, value in _blocks(text) if value is not None}
    templates = _mapping(blocks.get("templates"))
    project = blocks.get("project")
    patterns = _strings(_mapping(blocks.get("namespace")).get("patterns"))
    before = prelude(text) if any("{" in pattern for pattern in patterns.values()) else ""
    return Header(
        project=project if isinstance(project, str) else "",
        env_files=_texts(blocks.get("envFiles")),
        versions=_strings(blocks.get("versions")),
        base_domain=_strings(blocks.get("baseDomain")),
        patterns={name: before + pattern for name, pattern in patterns.items()},
        dialect=str(templates.get("dialect") or "auto"),
        partials=_texts(templates.get("partials")),
        scalars={key: value for key, value in blocks.items() if isinstance(value, str)},
        manifests=tuple(_manifests(blocks.get("infrastructure"), blocks.get("services"))),
    )


def _manifests(*groups: Any) -> Iterator[str]:
    for group in groups:
        for item in group if isinstance(group, list) else ():
            manifests = _mapping(item).get("manifests")
            for manifest in manifests if isinstance(manifests, list) else ():
                path = _mapping(manifest).get("path")
                if isinstance(path, str) and path:
                    yield path


def prelude(text: str) -> str:
    """Actions in comments at the top that set variables, which are visible in each value below."""
    found = []
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        found += _SETS_VARIABLE.findall(line)
    return "".join(found)


def _blocks(text: str) -> Iterator[tuple[str, Any]]:
    """Each top-level key with its value; of a key that stands twice, the first."""
    seen: set[str] = set()
    lines: list[str] = []
    name = ""
    for line in [*text.split("\n"), "\0"]:
        key = _KEY.match(line)
        if key or line == "\0":
            if name and name not in seen:
                seen.add(name)
                yield name, _read_block(name, lines)
            lines = []
            name = key[2] if key else ""
        lines.append(line)


def _read_block(name: str, lines: list[str]) -> Any:
    kept = [line for line in lines if not _CONTROL_LINE.match(line)]
    while len(kept) > 1 and not kept[-1].startswith((" ", "\t", "-")):
        kept.pop()
    scalar = _SCALAR_LINE.match(kept[0]) if len(kept) == 1 else None
    if scalar and scalar[2].startswith("{{"):
        # An action without quotes would be read as a flow mapping.
        return scalar[2].partition(" #")[0].strip() if "}}" in scalar[2] else None
    try:
        for node in compose_all("\n".join(kept), "services.yaml"):
            data = Builder("services.yaml", as_text=True).build(node)
            return data.get(name) if isinstance(data, dict) else None
    except InvalidStack:
        return None
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: Any) -> dict[str, str]:
    return {key: item or "" for key, item in _mapping(value).items() if item is None or isinstance(item, str)}


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
