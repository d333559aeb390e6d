"""The agent from a command's settings and its project: what it is told, how it is configured, where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.options import Option
from codexctl_ci.guardrails.consent import MARKER
from codexctl_ci.operations.render_prompt import Gathered, brief_with, mode_of
from codexctl_ci.prompts.agent_config import AgentConfig, AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.brief import Brief, Link, ToolServer
from codexctl_ci.prompts.labels import Choice, checked_effort, checked_model, choose, effort_of, model_of
from codexctl_ci.prompts.mcp import ClusterService, McpServer, Reference
from codexctl_ci.stack import schema_codex as schema
from codexctl_ci.stack.project import Project

WORKDIR = "/workspace"
"""The working copy in the agent's pod."""
ENVIRONMENT_TOPIC = f"{MARKER} env -->"


def brief_of(inv: Invocation, project: Project, gathered: Gathered, *, resumed: bool, workdir: str = WORKDIR) -> Brief:
    """Everything that the prompt says."""
    settings, codex = inv.settings, project.spec.codex
    mode = mode_of(settings[o.PROMPT_MODE], resumed=resumed, continuation=settings[o.PROMPT_CONTINUATION])
    brief = Brief(
        kind=settings[o.KIND],
        lang=settings[o.LANG],
        mode=mode,
        project=project.name,
        environment=project.env,
        namespace=project.namespace,
        repository=settings[o.REPO],
        slot=project.slot,
        host=project.site_host,
        workdir=workdir,
        marker=ENVIRONMENT_TOPIC,
        infra_unhealthy=settings[o.INFRA_UNHEALTHY],
        project_context=codex.project_context,
        services_overview=codex.services_overview,
        links=tuple(Link(link.title, link.path) for link in codex.links),
        extra_tools=codex.extra_tools,
        tool_servers=tuple(
            ToolServer(server.name, server.description, tuple((tool.name, tool.description) for tool in server.tools))
            for server in codex.mcp.servers
        ),
        answers_by_tool=codex.review_mcp_enabled,
        instructions=_base_file(project, "AGENTS.md") if _foreign_tree(inv) else "",
    )
    return brief_with(brief, gathered)


def config_of(
    inv: Invocation, project: Project, gathered: Gathered, *, in_pod: bool = True, workdir: str = WORKDIR
) -> AgentConfig:
    """The agent's configuration."""
    model, effort = choices(inv, gathered)
    codex = project.spec.codex
    return build_config(
        AgentSettings(
            model=model,
            effort=effort,
            namespace=project.namespace,
            servers=tuple(_server(server) for server in codex.mcp.servers),
            blocks=tuple(_block(project, block) for block in codex.config_blocks),
            template=_template_file(project, codex.config_template) if codex.config_template else "",
            values=project.context.vars,
            in_pod=in_pod,
            foreign_tree=workdir if _foreign_tree(inv) else "",
            own_config=_base_file(project, ".codex/config.toml") if _foreign_tree(inv) else "",
        )
    )


def _foreign_tree(inv: Invocation) -> bool:
    """Whether the working copy holds a branch that is under review. The project's own files are the base's then."""
    return inv.settings[o.KIND] in ("dev_review", "ai-repair_review")


def _base_file(project: Project, path: str) -> str:
    return project.files.read(path) if project.files.exists(path) else ""


def choices(inv: Invocation, gathered: Gathered) -> tuple[Choice, Choice]:
    """Model and effort, each with its source. Raises ConfigError where labels contradict each other."""
    issue, pull = gathered.issue_labels, gathered.pull_labels
    model = _choose(inv, o.MODEL, model_of(issue, "labels of the issue"), model_of(pull, "labels of the pull request"))
    effort = _choose(
        inv,
        o.REASONING_EFFORT,
        effort_of(issue, "labels of the issue"),
        effort_of(pull, "labels of the pull request"),
    )
    if model.value:
        model = replace(model, value=checked_model(model.value, model.source))
    if effort.value:
        effort = replace(effort, value=checked_effort(effort.value, effort.source))
    return model, effort


def _choose(inv: Invocation, option: Option[str], from_issue: str, from_pull: str) -> Choice:
    value, source = inv.settings[option], inv.settings.source(option)
    return choose(
        flag=value if source in (option.flag, option.input_variable) else "",
        from_issue=from_issue,
        from_pull=from_pull,
        variable=value if source in option.variables else "",
        file=value if source.startswith("services.yaml") else "",
        default=value if source == "default" else "",
    )


def _template_file(project: Project, path: str) -> str:
    return project.render_text(project.files.read(path), path)


def _block(project: Project, block: schema.ConfigBlock) -> ConfigBlock:
    # Text in services.yaml was rendered with it.
    text = _template_file(project, block.file) if block.file else block.toml or ""
    return ConfigBlock(block.name, text)


def _server(server: schema.McpServer) -> McpServer:
    service = server.service
    return McpServer(
        name=server.name,
        type=server.type,
        description=server.description,
        command=server.command or "",
        args=server.args,
        env=_references(server.env),
        endpoint=server.endpoint or "",
        headers=_references(server.headers),
        bearer_token_env_var=server.bearer_token_env_var or "",
        service=ClusterService(service.name, service.namespace, service.port, service.path, service.scheme)
        if service
        else None,
        startup_timeout_sec=server.startup_timeout_sec or 0,
        tool_timeout_sec=server.tool_timeout_sec or 0,
        tools=tuple((tool.name, tool.description) for tool in server.tools),
    )


def _references(values: Mapping[str, schema.ValueRef]) -> dict[str, Reference]:
    return {
        name: Reference(reference.value, reference.env_ref, reference.var_ref, reference.optional)
        for name, reference in values.items()
    }
