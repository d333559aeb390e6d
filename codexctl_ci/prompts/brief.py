"""All that a prompt says, as data: what ``compose`` turns into text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread

KINDS = ("plan_issue", "plan_review", "dev_issue", "dev_review", "ai-repair_issue", "ai-repair_review")
LANGUAGES = ("en", "ru")
MODES = ("full", "short")


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the running stack. ``url`` is whole, or a path on the stack's own host."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ToolServer:
    """An MCP server as the prompt presents it. ``tools`` are pairs of name and description."""

    name: str
    description: str = ""
    tools: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything for one prompt. ``kind`` is one of KINDS, ``mode`` one of MODES; other languages fall back to ``en``.

    Texts from GitHub are given raw: selecting, cleaning and fencing them is composing's job. What comes from the
    project's own services.yaml (``project_context`` and so on) is used as it is. ``as_of`` is the moment of the event.
    ``marker`` is the mark of our own comments, which are left out. ``instructions``: AGENTS.md of the base branch,
    where that of the working copy is not to be followed.
    """

    kind: str
    lang: str
    mode: str
    project: str
    environment: str
    namespace: str
    repository: str = ""
    slot: int = 0
    host: str = ""
    workdir: str = "/workspace"
    issue: IssueContext | None = None
    focus: IssueContext | None = None
    parents: tuple[IssueContext, ...] = ()
    pull: PullContext | None = None
    threads: tuple[ReviewThread, ...] = ()
    as_of: datetime | None = None
    marker: str = ""
    instructions: str = ""
    infra_unhealthy: bool = False
    infra_report: str = ""
    project_context: str = ""
    services_overview: str = ""
    links: tuple[Link, ...] = ()
    extra_tools: tuple[str, ...] = ()
    tool_servers: tuple[ToolServer, ...] = ()
    answers_by_tool: bool = False
