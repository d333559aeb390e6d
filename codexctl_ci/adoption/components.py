"""What runs in a project, as far as its Dockerfiles and its compose file tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

_SKIPPED = frozenset(
    {"node_modules", "vendor", "third_party", "venv", "dist", "build", "testdata", "fixtures", "tests"}
)
_EXPOSE = re.compile(r"^\s*EXPOSE\s+(.+)$", re.IGNORECASE | re.MULTILINE)
_PLAIN_PATH = re.compile(r"[\w./+ -]+")
_MOST = 30
# Stock images that others reach on a port which no file of the project names.
_KNOWN_PORTS = {
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "redis": 6379,
    "valkey": 6379,
    "rabbitmq": 5672,
    "kafka": 9092,
    "elasticsearch": 9200,
    "minio": 9000,
}

RESERVED = ("codex", "workspace")
"""Names that the drafted stack itself needs."""


@dataclass(frozen=True)
class Component:
    """One service. It has either a ``dockerfile`` (with its ``context``) or an ``image``.

    Values of ``environment`` and ``build_args`` are as compose writes them, ``${…}`` included.
    ``volumes`` maps names to mount paths.
    """

    name: str
    dockerfile: str = ""
    context: str = "."
    image: str = ""
    ports: tuple[int, ...] = ()
    published: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    source: str = ""

    @property
    def runs_else(self) -> bool:
        """Whether it starts something else than its image does by itself, so that EXPOSE tells nothing of it."""
        return bool(self.command or self.entrypoint)


def stateful_port(image: str) -> int:
    """The port of a stock image that keeps a project's data; 0 for any other image."""
    last = image.rpartition("/")[2]
    return next((port for name, port in _KNOWN_PORTS.items() if last.startswith(name)), 0)


def label(text: str) -> str:
    """``text`` as a name that Kubernetes takes; empty where nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")


def is_dockerfile(path: str) -> bool:
    """Whether ``path`` is by its name a Dockerfile of the project itself."""
    place = PurePosixPath(path)
    if not _PLAIN_PATH.fullmatch(path) or any(part in _SKIPPED or part.startswith(".") for part in place.parts[:-1]):
        return False
    name = place.name
    if name.endswith((".dockerignore", ".md", ".j2", ".tmpl")):
        return False
    return name in ("Dockerfile", "Containerfile") or name.startswith("Dockerfile.") or name.endswith(".Dockerfile")


def exposed(dockerfile: str) -> tuple[int, ...]:
    """Ports of TCP that the text of a Dockerfile names, in its order, each once."""
    found: dict[int, None] = {}
    for line in _EXPOSE.findall(dockerfile):
        for word in line.split("#")[0].split():
            port, _, protocol = word.partition("/")
            if protocol.lower() in ("", "tcp") and port.isdigit() and 0 < int(port) < 65536:
                found[int(port)] = None
    return tuple(found)


def from_dockerfiles(texts: Mapping[str, str], project: str) -> list[Component]:
    """One component for each Dockerfile. ``texts`` maps paths to contents."""
    found: dict[str, Component] = {}
    for path in sorted(texts, key=lambda path: (path.count("/"), path))[:_MOST]:
        name = _unused(label(_name(PurePosixPath(path))) or project, found)
        found[name] = Component(
            name, dockerfile=path, context=_context(PurePosixPath(path)), ports=exposed(texts[path]), source=path
        )
    return list(found.values())


def _name(path: PurePosixPath) -> str:
    if path.name.endswith(".Dockerfile"):
        return path.name.removesuffix(".Dockerfile")
    if path.name.startswith("Dockerfile."):
        return path.name.removeprefix("Dockerfile.")
    return path.parent.name


def _context(path: PurePosixPath) -> str:
    # A folder with one plain Dockerfile builds from itself; docker/api.Dockerfile builds from the root.
    return str(path.parent) if path.name in ("Dockerfile", "Containerfile") and path.parent.name != "docker" else "."


def _unused(name: str, taken: Mapping[str, Component]) -> str:
    number = 2
    wanted = name
    while name in taken or name in RESERVED:
        name = f"{wanted}-{number}"
        number += 1
    return name
