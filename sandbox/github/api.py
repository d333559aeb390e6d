"""The REST API's frame: who asks, may they, is it as described, and how lists are cut into pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.github.contract.checks import Completion, Operation, Violation
from sandbox.github.errors import ApiError, not_found
from sandbox.github.host import Actor, Host
from sandbox.github.shapes import allowed
from sandbox.github.state import Issue, Repository, Role, Token

Json = Any
Item = TypeVar("Item")
PREFIX = "/api/v3"


@dataclass
class Call:
    """One REST request, after its caller is known."""

    host: Host
    operation: Operation
    path: dict[str, str]
    query: dict[str, str]
    body: Json
    token: Token | None
    target: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """Return who asks; nobody is an error."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        return Actor(self.token.login, self.token)

    @property
    def login(self) -> str:
        """Return the login of who asks; an empty one is nobody."""
        return self.token.login if self.token else ""

    def repository(self) -> Repository:
        """Return the repository that the path names, if the caller may see it."""
        found = self.host.state.repository(f"{self.path['owner']}/{self.path['repo']}")
        if found is None or self.role(found) is None:
            raise not_found()
        return found

    def role(self, repository: Repository) -> Role | None:
        """Return the caller's role there."""
        if self.token is None:
            return None if repository.private else "read"
        only = self.token.repositories
        if only is not None and repository.full_name.lower() not in {name.lower() for name in only}:
            return None if repository.private else "read"
        if self.token.kind in {"installation", "job"}:
            return "admin" if (self.token.rights or {}).get("administration") == "write" else "write"
        return self.host.state.role(repository, self.token.login)

    def issue(self, name: str = "issue_number") -> Issue:
        """Return the issue or pull request that the path names."""
        found = self.repository().issues.get(int(self.path[name])) if self.path[name].isdigit() else None
        if found is None or (name == "pull_number" and found.pull is None):
            raise not_found()
        return found

    def page(self, items: Sequence[Item]) -> list[Item]:
        """Return the page that is asked for, and set the Link header."""
        size = min(int(self.query.get("per_page", "30")), 100)
        number = max(int(self.query.get("page", "1")), 1)
        last = max((len(items) + size - 1) // size, 1)
        links: list[str] = []
        for name, target, wanted in (
            ("prev", number - 1, number > 1),
            ("next", number + 1, number < last),
            ("last", last, number < last),
            ("first", 1, number > 1),
        ):
            if wanted:
                rest = {**self.query, "page": str(target)}
                query = "&".join(f"{key}={value}" for key, value in rest.items())
                links.append(f'<{self.host.url}{PREFIX}{self.target}?{query}>; rel="{name}"')
        if links:
            self.headers["Link"] = ", ".join(links)
        return list(items[(number - 1) * size : number * size])


@dataclass(frozen=True)
class Answer:
    """A status and a JSON body; None is no body."""

    status: int
    body: Json = None


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    """What answers an operation, and what the caller needs for it."""

    handler: Handler
    rights: tuple[str, ...]
    role: Role


class Routes:
    """The operations that are answered, by GitHub's own operation ids."""

    def __init__(self) -> None:
        self.table: dict[str, Route] = {}

    def add(self, operation: str, *rights: str, role: Role = "read") -> Callable[[Handler], Handler]:
        """Register a handler. `rights`: any one of `issues:write`; none: the path names no repository."""

        def register(handler: Handler) -> Handler:
            self.table[operation] = Route(handler, rights, role)
            return handler

        return register


def has_right(token: Token, wanted: str) -> bool:
    """Say whether a token carries a fine right such as `issues:write`."""
    if token.rights is None:
        return True
    name, level = wanted.split(":")
    if name == "metadata":
        return True
    given = token.rights.get(name, "none")
    return given == "write" or given == level


def require(call: Call, route: Route) -> None:
    """Raise the answer that GitHub gives to a caller who may not do this."""
    if not route.rights:
        return
    repository = call.repository()
    writing = any(right.endswith(":write") for right in route.rights)
    if call.token is None:
        if writing:
            raise ApiError(401, "Requires authentication")
        return
    if not any(has_right(call.token, right) for right in route.rights):
        kind = "personal access token" if call.token.kind == "personal" else "integration"
        raise ApiError(
            403,
            f"Resource not accessible by {kind}",
            headers={"X-Accepted-GitHub-Permissions": "; ".join(right.replace(":", "=") for right in route.rights)},
        )
    if not allowed(call.role(repository), route.role):
        need = {"admin": "admin rights to Repository", "write": "push access to Repository"}
        raise ApiError(403, f"Must have {need.get(route.role, f'{route.role} access to Repository')}.")


class RestApi:
    """Answers REST requests."""

    def __init__(self, host: Host, tables: Sequence[Routes]) -> None:
        self._host = host
        self._table: dict[str, Route] = {}
        for routes in tables:
            self._table.update(routes.table)
        self._completion = Completion(host.contract)

    def answer(
        self, method: str, target: str, query: Mapping[str, str], body: bytes, token: Token | None
    ) -> tuple[Answer, dict[str, str]]:
        """Answer one request. `target` is the path below the API's prefix."""
        contract = self._host.contract
        found = contract.find(method, target)
        if found is None or found[0].id not in self._table:
            named = found[0].id if found else f"{method} {target}"
            return Answer(501, {"message": f"the sandbox does not imitate {named}"}), {}
        operation, path = found
        try:
            data = json.loads(body) if body.strip() else ({} if operation.request is not None else None)
        except ValueError:
            return Answer(400, {"message": "Problems parsing JSON"}), {}
        call = Call(self._host, operation, path, dict(query), data, token, target)
        try:
            contract.check_request(operation, call.query, data)
            try:
                route = self._table[operation.id]
                require(call, route)
                answer = route.handler(call)
            except ApiError as error:
                call.headers.update(error.headers)
                answer = Answer(error.status, error.body())
            schema = operation.responses.get(str(answer.status))
            if schema is not None:
                answer = Answer(answer.status, self._completion.complete(schema, answer.body))
            contract.check_response(operation, answer.status, answer.body)
        except Violation as reason:
            self._host.violations.append(str(reason))
            return Answer(500, {"message": f"contract violation: {reason}"}), {}
        return answer, call.headers
