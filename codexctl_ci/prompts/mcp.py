"""MCP servers of services.yaml as tables of Codex's configuration. Secrets stay references to variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codexctl_ci.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Codex passes a variable on under its own name only; this gives it another and becomes the server.
_RENAMING = 'export {pairs}; exec "$@"'


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a value comes from: exactly one of a literal, a variable of the agent's place, a template variable."""

    value: str | None = None
    env_ref: str | None = None
    var_ref: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ClusterService:
    """A Service of the cluster that speaks MCP. An empty namespace is the agent's own."""

    name: str
    namespace: str = ""
    port: int = 80
    path: str = "/mcp"
    scheme: str = "http"


@dataclass(frozen=True, slots=True)
class McpServer:
    """One entry of ``codex.mcp.servers``; timeouts in seconds, 0 for Codex's own."""

    name: str
    type: str
    description: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, Reference] = field(default_factory=dict)
    endpoint: str = ""
    headers: Mapping[str, Reference] = field(default_factory=dict)
    bearer_token_env_var: str = ""
    service: ClusterService | None = None
    startup_timeout_sec: float = 0
    tool_timeout_sec: float = 0
    tools: tuple[tuple[str, str], ...] = ()


def server_table(server: McpServer, namespace: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The table under ``mcp_servers.<name>``. ``values`` are the template variables. Raises ConfigError."""
    where = f"codex.mcp.servers: {server.name}"
    if not _NAME.match(server.name):
        raise ConfigError("the name of an MCP server has letters, digits, - and _ only", where=where)
    kind = server.type.lower()
    if kind == "stdio":
        table = _stdio(server, values, where)
    elif kind in ("http", "https", "cluster"):
        table = _http(server, namespace, values, where)
    else:
        raise ConfigError(f"type {server.type!r} is unknown", where=where, hint="stdio, http, https or cluster")
    if server.startup_timeout_sec:
        table["startup_timeout_sec"] = server.startup_timeout_sec
    if server.tool_timeout_sec:
        table["tool_timeout_sec"] = server.tool_timeout_sec
    return table


def _stdio(server: McpServer, values: Mapping[str, str], where: str) -> dict[str, Any]:
    if not server.command:
        raise ConfigError("a stdio server needs a command", where=where)
    table: dict[str, Any] = {"command": server.command, "args": list(server.args)}
    literal: dict[str, str] = {}
    passed: list[str] = []
    renamed: list[str] = []
    for name, reference in server.env.items():
        _checked_variable(name, where)
        if reference.env_ref:
            passed.append(_checked_variable(reference.env_ref, where))
            if reference.env_ref != name:
                renamed.append(f'{name}="${{{reference.env_ref}-}}"')
        elif (value := _value(name, reference, values, where)) is not None:
            literal[name] = value
    if renamed:
        script = _RENAMING.format(pairs=" ".join(renamed))
        table["command"] = "sh"
        table["args"] = ["-c", script, "sh", server.command, *server.args]
    if passed:
        table["env_vars"] = list(dict.fromkeys(passed))
    if literal:
        table["env"] = literal
    return table


def _http(server: McpServer, namespace: str, values: Mapping[str, str], where: str) -> dict[str, Any]:
    table: dict[str, Any] = {"url": _url(server, namespace, where)}
    if server.bearer_token_env_var:
        table["bearer_token_env_var"] = _checked_variable(server.bearer_token_env_var, where)
    plain: dict[str, str] = {}
    from_variables: dict[str, str] = {}
    for name, reference in server.headers.items():
        if reference.env_ref:
            from_variables[name] = _checked_variable(reference.env_ref, where)
        elif (value := _value(name, reference, values, where)) is not None:
            plain[name] = value
    if plain:
        table["http_headers"] = plain
    if from_variables:
        table["env_http_headers"] = from_variables
    return table


def _url(server: McpServer, namespace: str, where: str) -> str:
    if server.type.lower() == "cluster":
        service = server.service
        if service is None:
            raise ConfigError("a server of type cluster needs a service", where=where)
        path = "/" + service.path.lstrip("/")
        host = f"{service.name}.{service.namespace or namespace}.svc.cluster.local"
        return f"{service.scheme or 'http'}://{host}:{service.port}{path}"
    if not server.endpoint:
        raise ConfigError(f"a server of type {server.type} needs an endpoint", where=where)
    if _SCHEME.match(server.endpoint):
        return server.endpoint
    return f"{server.type.lower()}://{server.endpoint}"


def _value(name: str, reference: Reference, values: Mapping[str, str], where: str) -> str | None:
    if reference.value is not None:
        return reference.value
    if reference.var_ref is None:
        raise ConfigError(f"{name} has no value", where=where, hint="give one of value, envRef, varRef")
    value = values.get(reference.var_ref, "")
    if not value and reference.optional:
        return None
    if not value:
        raise ConfigError(f"{name}: the variable {reference.var_ref} has no value", where=where, hint="optional: true?")
    return value


def _checked_variable(name: str, where: str) -> str:
    if not _VARIABLE.match(name):
        raise ConfigError(f"{name!r} cannot be the name of an environment variable", where=where)
    return name
