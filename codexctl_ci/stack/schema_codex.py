"""The ``codex`` section of services.yaml: the agent, its prompt and its tools."""

from datetime import timedelta
from typing import ClassVar, Literal

from codexctl_ci.stack.schema_types import Duration, Section, key


class Link(Section):
    """A page of the environment that the agent and people may open."""

    title: str
    """What it is."""
    path: str = "/"
    """Path below the environment's site, or a whole address."""


class Timeouts(Section):
    """How long things may take."""

    exec: Duration = timedelta(minutes=60)
    """One run of the agent."""
    rollout: Duration = timedelta(seconds=1200)
    """One rollout, for your templates."""
    deploy_wait: Duration = timedelta(minutes=10)
    """The stack becoming ready."""


class Prices(Section):
    """What a million tokens of the model cost, for the sum in outputs and summaries. Any currency."""

    input: str = key(pattern=r"\d+(\.\d+)?")
    """Read."""
    cached_input: str = key(default="", pattern=r"(\d+(\.\d+)?)?")
    """Read from the model's cache; without it as much as any."""
    output: str = key(pattern=r"\d+(\.\d+)?")
    """Written."""


class ConfigBlock(Section):
    """More text for the agent's config.toml."""

    name: str
    """How messages call it."""
    toml: str | None = None
    """The text itself, a template."""
    file: str | None = None
    """A file that holds it, from the project's root."""

    def check(self) -> None:
        if (self.toml is None) == (self.file is None):
            raise ValueError("a config block has exactly one of toml, file")


class ValueRef(Section):
    """Where a value comes from. What ``envRef`` names never enters a file."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"value"})

    value: str | None = None
    """The value itself."""
    env_ref: str | None = None
    """A variable of the agent's environment."""
    var_ref: str | None = None
    """A template variable (--vars, --var-file)."""
    optional: bool = False
    """Left out where there is no value."""

    def check(self) -> None:
        if sum(source is not None for source in (self.value, self.env_ref, self.var_ref)) != 1:
            raise ValueError("a reference has exactly one of value, envRef, varRef")


class ClusterService(Section):
    """A Service of the cluster that speaks MCP."""

    name: str
    """The Service."""
    namespace: str = ""
    """Empty: the environment's own."""
    port: int = key(default=80, least=1, most=65535)
    """Its port."""
    path: str = "/mcp"
    """Where it speaks MCP."""
    scheme: Literal["http", "https"] = "http"
    """Without or with TLS."""


class McpTool(Section):
    """A tool worth telling the agent about."""

    name: str
    """The tool."""
    description: str = ""
    """What it does."""


class McpServer(Section):
    """An MCP server for the agent."""

    name: str
    """How the agent calls it; each name once."""
    type: Literal["stdio", "http", "https", "cluster"]
    """A program in the pod, an address, or a Service of the cluster."""
    description: str = ""
    """What the agent is told about it."""
    startup_timeout_sec: int | None = key(default=None, spelled="startup_timeout_sec", least=0)
    """Seconds until it must be up."""
    tool_timeout_sec: int | None = key(default=None, spelled="tool_timeout_sec", least=0)
    """Seconds for one call of a tool."""
    command: str | None = None
    """stdio: the program."""
    args: tuple[str, ...] = ()
    """stdio: its arguments."""
    env: dict[str, ValueRef] = key(factory=dict)
    """stdio: its variables."""
    endpoint: str | None = None
    """http, https: the address."""
    headers: dict[str, ValueRef] = key(factory=dict)
    """http, https, cluster: headers of each request."""
    bearer_token_env_var: str | None = key(default=None, spelled="bearer_token_env_var")
    """Variable that holds the bearer token."""
    service: ClusterService | None = None
    """cluster: where it listens."""
    tools: tuple[McpTool, ...] = ()
    """Tools worth telling the agent about."""

    def check(self) -> None:
        needed = {"stdio": "command", "http": "endpoint", "https": "endpoint", "cluster": "service"}[self.type]
        if not getattr(self, needed):
            raise ValueError(f"a server of type {self.type} needs {needed}")


class Mcp(Section):
    """Tools for the agent by the Model Context Protocol."""

    servers: tuple[McpServer, ...] = ()
    """The servers."""


class CodexSpec(Section):
    """The agent of this project."""

    config_template: str | None = None
    """Template of the whole config.toml in place of the built-in one."""
    prompt_lang: str | None = None
    """Language of the prompt: en or ru."""
    model: str | None = None
    """Its model, where no option, label or variable names one."""
    model_reasoning_effort: str | None = None
    """low, medium, high or xhigh."""
    executor: Literal["auto", "pod", "runner"] = "auto"
    """Where the agent runs."""
    links: tuple[Link, ...] = ()
    """Pages of the environment that the agent and people may open."""
    extra_tools: tuple[str, ...] = ()
    """Programs in the agent's image worth telling it about."""
    project_context: str = ""
    """What the agent must know about the project."""
    services_overview: str = ""
    """What the services do, in a few lines."""
    timeouts: Timeouts = key(factory=Timeouts)
    max_tokens: int = key(default=0, least=0)
    """Most tokens for one run of the agent, read and written; 0 is no limit."""
    prices: Prices | None = None
    config_blocks: tuple[ConfigBlock, ...] = ()
    """More text for the agent's config.toml, each stronger than what stands before it."""
    review_mcp_enabled: bool = key(default=False, spelled="reviewMCPEnabled")
    """The agent itself answers review threads, by an MCP server."""
    mcp: Mcp = key(factory=Mcp)
