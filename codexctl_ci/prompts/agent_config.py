"""Codex's ``config.toml`` for one run, always valid TOML.

Three sources, later ones win: our defaults (or the project's own file in their place), the MCP servers and blocks of
services.yaml, and the model and effort that labels or the command line chose.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codexctl_ci.errors import ConfigError
from codexctl_ci.prompts.labels import Choice
from codexctl_ci.prompts.mcp import McpServer, server_table
from codexctl_ci.prompts.toml_text import dump_toml

# Names of variables whose values the agent's own commands have no use for; Codex itself may need them.
HIDDEN_FROM_COMMANDS = (
    "OPENAI_API_KEY",
    "CODEX_API_KEY",
    "CODEX_ACCESS_TOKEN",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GITHUB_PAT",
    "*GH_PAT",
    "*GITHUB_PAT",
    "CODEXCTL_*",
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class ConfigBlock:
    """A piece of configuration from services.yaml, rendered. ``name`` is for messages."""

    name: str
    toml: str


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What a configuration is made from. ``template`` is the project's whole file, rendered, in place of our defaults.

    ``in_pod``: full access, since the pod is the sandbox; else Codex's own sandbox with network. ``foreign_tree`` is
    the working copy where it holds a branch that a review is about, else empty: Codex then takes no orders from its
    AGENTS.md, ``.codex`` and skills; ``own_config`` is the base branch's ``.codex/config.toml`` in their place.
    """

    model: Choice
    effort: Choice
    namespace: str
    servers: tuple[McpServer, ...] = ()
    blocks: tuple[ConfigBlock, ...] = ()
    template: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    in_pod: bool = True
    foreign_tree: str = ""
    own_config: str = ""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The file's text, and the names of variables it refers to, which the agent's process must be given."""

    toml: str
    variables: tuple[str, ...]


def build_config(settings: AgentSettings) -> AgentConfig:
    """The configuration. Raises ConfigError for a block that is no TOML, two servers of one name, a missing value."""
    table = _parsed(settings.template, "codex.configTemplate") if settings.template.strip() else _defaults(settings)
    if settings.foreign_tree:
        _merge(table, _parsed(settings.own_config, ".codex/config.toml"))
    for block in settings.blocks:
        _merge(table, _parsed(block.toml, f"codex.configBlocks: {block.name}"))
    for name, server in _servers(settings).items():
        servers = table.setdefault("mcp_servers", {})
        if not isinstance(servers, dict):
            raise ConfigError("mcp_servers is not a table", where="codex.configBlocks")
        own = servers.get(name)
        # A block may say all of a server, or one thing more of it.
        if not isinstance(own, dict) or not ("command" in own or "url" in own):
            servers[name] = server
            _merge(server, own if isinstance(own, dict) else {})
    if settings.foreign_tree:
        _merge(table, _no_orders_from(settings.foreign_tree))
    for key, choice in (("model", settings.model), ("model_reasoning_effort", settings.effort)):
        if choice.value and (choice.source not in ("services.yaml", "default") or key not in table):
            table[key] = choice.value
    text = dump_toml(table)
    return AgentConfig(text, tuple(sorted(_variables(table))))


def _defaults(settings: AgentSettings) -> dict[str, Any]:
    table: dict[str, Any] = {
        "approval_policy": "never",
        "sandbox_mode": "danger-full-access" if settings.in_pod else "workspace-write",
        "model_verbosity": "low",
        "web_search": "live",
        "shell_environment_policy": {"inherit": "all", "exclude": list(HIDDEN_FROM_COMMANDS)},
        "check_for_update_on_startup": False,
        # What would call home from a closed network: each costs seconds there, and none serves a run like ours.
        "analytics": {"enabled": False},
        "otel": {"metrics_exporter": "none"},
        "features": {"plugins": False},
        "history": {"persistence": "none"},
    }
    if not settings.in_pod:
        table["sandbox_workspace_write"] = {"network_access": True}
    return table


def _no_orders_from(folder: str) -> dict[str, Any]:
    return {
        "project_doc_max_bytes": 0,
        "projects": {folder: {"trust_level": "untrusted"}},
        "skills": {"include_instructions": False},
    }


def _servers(settings: AgentSettings) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    seen: dict[str, str] = {}
    for server in settings.servers:
        if other := seen.get(server.name.casefold()):
            raise ConfigError(f"two MCP servers are called {other!r} and {server.name!r}", where="codex.mcp.servers")
        seen[server.name.casefold()] = server.name
        tables[server.name] = server_table(server, settings.namespace, settings.values)
    return tables


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not valid TOML", where=where, reason=str(error)) from None


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        here = into.get(key)
        if isinstance(here, dict) and isinstance(value, Mapping):
            _merge(here, value)
        else:
            into[key] = value


def _variables(table: Mapping[str, Any]) -> set[str]:
    """Names of variables that a configuration refers to, wherever Codex reads one."""
    found: set[str] = set()
    for server in _tables(table.get("mcp_servers")):
        found |= _names(server.get("env_vars")) | _names([server.get("bearer_token_env_var")])
        headers = server.get("env_http_headers")
        found |= _names(list(headers.values())) if isinstance(headers, Mapping) else set()
    for provider in _tables(table.get("model_providers")):
        found |= _names([provider.get("env_key")])
        headers = provider.get("env_http_headers")
        found |= _names(list(headers.values())) if isinstance(headers, Mapping) else set()
    return found


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value.values() if isinstance(item, Mapping)] if isinstance(value, Mapping) else []


def _names(values: Sequence[Any] | None) -> set[str]:
    return {value for value in values or () if isinstance(value, str) and _VARIABLE.match(value)}
