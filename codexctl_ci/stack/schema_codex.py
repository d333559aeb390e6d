"""The ``codex`` section of services.yaml: the agent, its prompt and its tools."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from codexctl_ci.stack.schema_types import Count, Duration, Flag, Section, Text


class Link(Section):
    """A page of the environment that the agent and people may open."""

    title: Text
    """What it is."""
    path: Text = "/"
    """Path below the environment's site, or a whole address."""


class Timeouts(Section):
    """How long things may take."""

    exec: Duration = timedelta(minutes=60)
    """One run of the agent."""
    rollout: Duration = timedelta(seconds=1200)
    """One rollout that the agent waits for."""
    deploy_wait: Duration = timedelta(minutes=10)
    """The stack becoming ready."""


class ConfigBlock(Section):
    """More text for the agent's config.toml."""

    name: Text
    toml: Text | None = None
    """The text itself, a template."""
    file: Text | None = None
    """A file that holds it, from the project's root."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.toml is None) == (self.file is None):
            raise ValueError("a config block has exactly one of toml, file")
        return self


class ValueRef(Section):
    """Where a value comes from. What ``envRef`` names never enters a file."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"value"})

    value: Text | None = None
    """The value itself."""
    env_ref: Text | None = None
    """A variable of the agent's environment."""
    var_ref: Text | None = None
    """A template variable (--vars, --var-file)."""
    optional: Flag = False
    """Left out where there is no value."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.value, self.env_ref, self.var_ref)) != 1:
            raise ValueError("a reference has exactly one of value, envRef, varRef")
        return self


class ClusterService(Section):
    """A Service of the cluster that speaks MCP."""

    name: Text
    namespace: Text = ""
    """Empty: the environment's own."""
    port: Count = Field(default=80, ge=1, le=65535)
    path: Text = "/mcp"
    scheme: Literal["http", "https"] = "http"


class McpTool(Section):
    """A tool worth telling the agent about."""

    name: Text
    description: Text = ""


class McpServer(Section):
    """An MCP server for the agent."""

    name: Text
    type: Literal["stdio", "http", "https", "cluster"]
    description: Text = ""
    startup_timeout_sec: Count | None = Field(default=None, ge=0, alias="startup_timeout_sec")
    """Seconds until it must be up."""
    tool_timeout_sec: Count | None = Field(default=None, ge=0, alias="tool_timeout_sec")
    """Seconds for one call of a tool."""
    command: Text | None = None
    """stdio: the program."""
    args: tuple[Text, ...] = ()
    """stdio: its arguments."""
    env: dict[str, ValueRef] = Field(default_factory=dict)
    """stdio: its variables."""
    endpoint: Text | None = None
    """http, https: the address."""
    headers: dict[str, ValueRef] = Field(default_factory=dict)
    """http, https, cluster: headers of each request."""
    bearer_token_env_var: Text | None = Field(default=None, alias="bearer_token_env_var")
    """Variable that holds the bearer token."""
    service: ClusterService | None = None
    """cluster: where it listens."""
    tools: tuple[McpTool, ...] = ()

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        needed = {"stdio": "command", "http": "endpoint", "https": "endpoint", "cluster": "service"}[self.type]
        if not getattr(self, needed):
            raise ValueError(f"a server of type {self.type} needs {needed}")
        return self


class Mcp(Section):
    """Tools for the agent by the Model Context Protocol."""

    servers: tuple[McpServer, ...] = ()


class CodexSpec(Section):
    """The agent of this project."""

    config_template: Text | None = None
    """Template of the whole config.toml in place of the built-in one."""
    prompt_lang: Text | None = None
    """Language of the prompt: en or ru."""
    model: Text | None = None
    model_reasoning_effort: Text | None = None
    """low, medium, high or xhigh."""
    executor: Literal["auto", "pod", "runner"] = "auto"
    """Where the agent runs."""
    links: tuple[Link, ...] = ()
    extra_tools: tuple[Text, ...] = ()
    """Programs in the agent's image worth telling it about."""
    project_context: Text = ""
    """What the agent must know about the project."""
    services_overview: Text = ""
    """What the services do, in a few lines."""
    timeouts: Timeouts = Field(default_factory=Timeouts)
    config_blocks: tuple[ConfigBlock, ...] = ()
    review_mcp_enabled: Flag = Field(default=False, alias="reviewMCPEnabled")
    """The agent itself answers review threads, by an MCP server."""
    mcp: Mcp = Field(default_factory=Mcp)
