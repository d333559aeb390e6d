"""What services.yaml says about its own names: each once, each reference to something, no circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from codexctl_ci.errors import Finding
from codexctl_ci.stack.document import Document, Path
from codexctl_ci.stack.reading import did_you_mean
from codexctl_ci.stack.schema import BUILT_IN_HOOKS, DEPLOY_GROUPS, StackSpec


def check_references(spec: StackSpec, document: Document) -> list[Finding]:
    """Every fault in how the parts of ``spec`` name each other; images have a check of their own."""
    checker = _Checker(spec, document)
    return [
        *checker.duplicates(),
        *checker.inheritance(),
        *checker.dependencies(),
        *checker.bootstrap(),
    ]


def check_made(spec: StackSpec, document: Document) -> list[Finding]:
    """What can't be made: images that lack what their type needs, services whose image in the project's own registry
    nobody puts there, built-in hooks that don't exist. The Go tool let all of this pass until it was used.
    """
    checker = _Checker(spec, document)
    return [*checker.image_needs(), *checker.images(), *checker.hooks()]


def find_cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """One cycle as its path, first name repeated at the end; empty where there is none."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        trail: list[Iterator[str]] = []
        if start not in done:
            path, trail = [start], [iter(edges.get(start, ()))]
        while trail:
            following = next(trail[-1], None)
            if following is None:
                trail.pop()
                done.add(path.pop())
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                path.append(following)
                trail.append(iter(edges.get(following, ())))
    return []


class _Checker:
    def __init__(self, spec: StackSpec, document: Document) -> None:
        self.spec = spec
        self.document = document
        self.at = document.finding
        self.infra = {group.name.lower() for group in spec.infrastructure}
        self.services = {service.name.lower(): service for service in spec.services}

    def _items(self, key: str) -> Iterator[tuple[Path, Mapping[str, object]]]:
        items = self.document.data.get(key)
        for position, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield (key, position), item

    def duplicates(self) -> Iterator[Finding]:
        codex = self.document.data.get("codex")
        mcp = codex.get("mcp") if isinstance(codex, dict) else None
        servers = mcp.get("servers") if isinstance(mcp, dict) else None
        lists: list[tuple[str, list[tuple[Path, Mapping[str, object]]]]] = [
            ("infrastructure group", list(self._items("infrastructure"))),
            ("service", list(self._items("services"))),
        ]
        if isinstance(servers, list):
            rows = [(("codex", "mcp", "servers", n), item) for n, item in enumerate(servers) if isinstance(item, dict)]
            lists.append(("MCP server", list(rows)))
        for what, items in lists:
            first: dict[str, Path] = {}
            for path, item in items:
                name = item.get("name")
                if not isinstance(name, str):
                    continue
                if name.lower() in first:
                    line = self.document.place((*first[name.lower()], "name")).line
                    yield self.at((*path, "name"), f"{what} {name!r} stands twice, first in line {line}")
                first.setdefault(name.lower(), path)

    def inheritance(self) -> Iterator[Finding]:
        edges: dict[str, list[str]] = {}
        for name, environment in self.spec.environments.items():
            parent = environment.from_
            edges[name] = [parent] if parent else []
            if parent and parent not in self.spec.environments:
                path = ("environments", name, "from")
                known = did_you_mean(parent, self.spec.environments)
                yield self.at(path, f"environment {name!r} inherits from {parent!r}, which is not there", known)
        cycle = find_cycle(edges)
        if cycle:
            yield self.at(("environments", cycle[0], "from"), f"environments inherit in a circle: {' -> '.join(cycle)}")

    def dependencies(self) -> Iterator[Finding]:
        edges: dict[str, list[str]] = {}
        for key in ("infrastructure", "services"):
            for path, item in self._items(key):
                name, wanted = item.get("name"), item.get("dependsOn")
                if not isinstance(name, str) or not isinstance(wanted, list):
                    continue
                low = [other.lower() for other in wanted if isinstance(other, str)]
                edges[name.lower()] = low
                for position, other in enumerate(low):
                    yield from self._dependency((*path, "dependsOn", position), key, name, other)
        cycle = find_cycle(edges)
        if cycle:
            key = "infrastructure" if cycle[0] in self.infra else "services"
            path = next((p for p, item in self._items(key) if str(item.get("name")).lower() == cycle[0]), (key,))
            yield self.at((*path, "dependsOn"), f"dependsOn goes in a circle: {' -> '.join(cycle)}")

    def _dependency(self, path: Path, key: str, name: str, other: str) -> Iterator[Finding]:
        if other not in self.infra and other not in self.services:
            known = did_you_mean(other, self.infra | self.services.keys())
            yield self.at(path, f"{name!r} depends on {other!r}, which is not there", known)
        elif key == "infrastructure" and other not in self.infra:
            yield self.at(
                path, f"group {name!r} depends on service {other!r}; infrastructure comes before all services"
            )
        elif key == "services" and other not in self.infra:
            own, its = self._rank(name.lower()), self._rank(other)
            if own < its:
                groups = f"{DEPLOY_GROUPS[own]!r} comes before {DEPLOY_GROUPS[its]!r}"
                yield self.at(path, f"{name!r} depends on {other!r}, which is deployed later: {groups}")

    def _rank(self, name: str) -> int:
        service = self.services.get(name)
        return deploy_rank(service.deploy_group if service else None)

    def bootstrap(self) -> Iterator[Finding]:
        for name, environment in self.spec.environments.items():
            for position, group in enumerate(environment.slot_bootstrap_infra or ()):
                if group.lower() not in self.infra:
                    path = ("environments", name, "slotBootstrapInfra", position)
                    known = did_you_mean(group, [item.name for item in self.spec.infrastructure])
                    yield self.at(path, f"there is no infrastructure group {group!r}", known)

    def image_needs(self) -> Iterator[Finding]:
        for name, image in self.spec.images.items():
            needed = {"from": image.from_, "local": image.local}
            if image.type == "build":
                needed = {"repository": image.repository}
            missing = " and ".join(key for key, value in needed.items() if not value)
            if missing:
                yield self.at(("images", name), f"image {name!r} of type {image.type} needs {missing}")

    def images(self) -> Iterator[Finding]:
        """A service's image in the project's own registry must be one that somebody mirrors or builds."""
        registry = self.spec.registry.rstrip("/")
        known = {_repository(image.repository or image.local or "") for image in self.spec.images.values()}
        for path, item in self._items("services"):
            image = item.get("image")
            repository = image.get("repository") if isinstance(image, dict) else None
            if not isinstance(repository, str) or not registry or not repository.startswith(registry + "/"):
                continue
            if _repository(repository) not in known:
                message = f"no entry of images makes {repository}"
                yield self.at((*path, "image", "repository"), message, did_you_mean(repository, known))

    def hooks(self) -> Iterator[Finding]:
        owners = [((), self.document.data), *self._items("infrastructure"), *self._items("services")]
        for path, owner in owners:
            stages = owner.get("hooks")
            for stage, steps in stages.items() if isinstance(stages, dict) else ():
                for position, step in enumerate(steps if isinstance(steps, list) else ()):
                    use = step.get("use") if isinstance(step, dict) else None
                    if isinstance(use, str) and use not in (*BUILT_IN_HOOKS, "run"):
                        place = (*path, "hooks", stage, position, "use")
                        yield self.at(place, f"there is no built-in hook {use!r}", did_you_mean(use, BUILT_IN_HOOKS))


def deploy_rank(group: str | None) -> int:
    """The place of a deploy group in the order of deployment; a service without one is an internal service."""
    return DEPLOY_GROUPS.index(group or "internal")


def _repository(name: str) -> str:
    head, sign, tail = name.rpartition(":")
    return head if sign and "/" not in tail else name
