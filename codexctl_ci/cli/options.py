"""The one table of options: flag, action input, variable, key in services.yaml and default of each.

An option's name gives the rest: ``wait_timeout`` is ``--wait-timeout``, the action input ``wait-timeout`` and
the variable ``CODEXCTL_WAIT_TIMEOUT``. Where an option departs from that, its row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from codexctl_ci.durations import format_duration, parse_duration

T = TypeVar("T")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Option(Generic[T]):
    """One row: how the option is spelled everywhere, how its text is read, and what holds without it.

    ``parse`` raises ValueError with a message for the person who wrote the text. ``secret`` options have no flag and
    no action input shown in logs; ``key`` is a dotted path in services.yaml. ``is_flag`` options take no value on
    the command line (``--x/--no-x``).
    """

    name: str
    parse: Callable[[str], T]
    default: T
    help: str
    metavar: str = "TEXT"
    short: str = ""
    variable: str = ""
    fallbacks: tuple[str, ...] = ()
    key: str = ""
    choices: tuple[str, ...] = ()
    is_flag: bool = False
    secret: bool = False
    has_flag: bool = True
    shown_default: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def input_name(self) -> str:
        """The name of the action input, as written in a workflow."""
        return self.name.replace("_", "-")

    @property
    def input_variable(self) -> str:
        """The variable an action puts its input into; an empty one counts as unset."""
        return "CODEXCTL_INPUT_" + self.name.upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that set it, strongest first."""
        return (self.variable or "CODEXCTL_" + self.name.upper(), *self.fallbacks)

    def default_text(self, defaults: Mapping[str, Any] | None = None) -> str:
        """What holds where nobody says anything, as a person would write it; empty for nothing.

        ``defaults`` are those in which a command departs from the table.
        """
        value = (defaults or {}).get(self.name, self.default)
        if self.shown_default:
            return self.shown_default
        if isinstance(value, timedelta):
            return format_duration(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if value not in ("", (), {}, 0) else ""

    def read(self, text: str) -> T:
        """``text`` as this option's value. Raises ValueError naming what would be right."""
        if self.choices and text not in self.choices:
            raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
        return self.parse(text)


def parse_bool(text: str) -> bool:
    """true/false, 1/0, yes/no, on/off in any case."""
    low = text.strip().lower()
    if low in TRUE:
        return True
    if low in FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def parse_list(text: str) -> tuple[str, ...]:
    """Comma or newline separated names; blanks are dropped."""
    return tuple(item.strip() for item in text.replace("\n", ",").split(",") if item.strip())


def parse_vars(text: str) -> dict[str, str]:
    """``k=v,k2=v2``; a value may hold ``=`` but no comma."""
    found: dict[str, str] = {}
    for item in parse_list(text):
        name, sign, value = item.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"{item!r} is not of the form key=value")
        found[name.strip()] = value
    return found


def parse_number(text: str) -> int:
    """A whole number of zero or more; one leading ``#`` is allowed, as issues are written."""
    body = text.strip().removeprefix("#")
    if not (body.isascii() and body.isdigit()):
        raise ValueError(f"{text!r} is not a whole number of 0 or more")
    return int(body)


def _text(name: str, help: str, default: str = "", **more: Any) -> Option[str]:
    return Option(name, str, default, help, **more)


def _switch(name: str, help: str, default: bool = False, **more: Any) -> Option[bool]:
    return Option(name, parse_bool, default, help, metavar="", is_flag=True, **more)


def _count(name: str, help: str, default: int = 0, **more: Any) -> Option[int]:
    return Option(name, parse_number, default, help, metavar="N", **more)


def _time(name: str, help: str, seconds: float, **more: Any) -> Option[timedelta]:
    return Option(name, parse_duration, timedelta(seconds=seconds), help, metavar="DURATION", **more)


def _names(name: str, help: str, **more: Any) -> Option[tuple[str, ...]]:
    return Option(name, parse_list, (), help, metavar="NAME,…", **more)


def _path(name: str, help: str, default: str, **more: Any) -> Option[Path]:
    return Option(name, Path, Path(default), help, metavar="PATH", **more)


# Everywhere
CONFIG = _path("config", "The stack's description.", "services.yaml", short="-c")
ENVIRONMENT = _text("env", "Environment; `ai` for slots, issues, agents and prompts, else `dev`.", metavar="NAME")
NAMESPACE = _text("namespace", "Namespace in place of the environment's own.", metavar="NAME", short="-n")
LOG_LEVEL = _text("log_level", "How much progress to print.", "info", choices=("debug", "info", "warning", "error"))
LOG_FORMAT = _text("log_format", "Progress as text or as one JSON object a line.", "text", choices=("text", "json"))
DEBUG = _switch("debug", "Progress in detail, and tracebacks of errors.")

# Templates
VARS: Option[dict[str, str]] = Option("vars", parse_vars, {}, "Values for templates.", metavar="K=V,…")
VAR_FILE = _text("var_file", "File with values for templates: dotenv or one JSON object.", metavar="FILE")
STRICT = _switch("strict", "Unknown keys are errors in Go-dialect files too.")

# Filters
ONLY_SERVICES = _names("only_services", "Only these services.")
SKIP_SERVICES = _names("skip_services", "All services but these.")
ONLY_INFRA = _names("only_infra", "Only these infrastructure groups.")
SKIP_INFRA = _names("skip_infra", "All infrastructure groups but these.")

# Cluster
KUBECONFIG = _text("kubeconfig", "Kubeconfig; in a pod its own account.", fallbacks=("KUBECONFIG",), metavar="FILE")
KUBE_CONTEXT = _text("context", "Context of the kubeconfig.", variable="CODEXCTL_CONTEXT", metavar="NAME")
OUTPUT = _text("output", "Table for people or JSON for programs.", "text", choices=("text", "json"), short="-o")
AS_JSON = _switch("json", "The same as --output json.")
MIGRATE = _switch("migrate", "Only say what would differ for a project of the tool `codexctl`, line by line.")
OUTPUT_DIR = _text("output_dir", "Write one file an object into this folder.", metavar="DIR")
EXIT_CODE = _switch("exit_code", "Exit 1 where something differs.")
DRY_RUN = _switch("dry_run", "Say what would be done and do nothing.")
WAIT = _switch("wait", "Wait until everything applied is ready.", True)
PREFLIGHT = _switch("preflight", "First check that cluster and rights are there.", True)
PRUNE = _switch("prune", "Remove what was applied before and is no longer rendered.")
PRUNE_VOLUMES = _switch("prune_volumes", "Volume claims too, with the data in them.")
FORCE_CONFLICTS = _switch("force_conflicts", "Take fields over from other managers.")
APPLY_RETRIES = _count("apply_retries", "Tries after transport faults while applying.", 3)
WAIT_RETRIES = _count("wait_retries", "Tries after transport faults while waiting.", 3)
APPLY_BACKOFF = _time("apply_backoff", "First pause between tries of an apply; it doubles.", 5)
WAIT_BACKOFF = _time("wait_backoff", "First pause between tries of a wait; it doubles.", 5)
WAIT_TIMEOUT = _time("wait_timeout", "The whole time to become ready.", 600, key="codex.timeouts.deployWait")
REQUEST_TIMEOUT = _time("request_timeout", "Longest time for one request.", 600)

# Slots
SLOT = _count("slot", "This slot and no other.")
ISSUE = _count("issue", "The issue the slot is for.", variable="CODEXCTL_ISSUE_NUMBER")
PR = _count("pr", "The pull request the slot is for.", variable="CODEXCTL_PR_NUMBER")
FOCUS_ISSUE = _count("focus_issue", "The issue in focus of a plan.", variable="CODEXCTL_FOCUS_ISSUE_NUMBER")
MAX = _count("max", "Most slots at once; 0 is no limit.", variable="CODEXCTL_DEV_SLOTS_MAX", key="maxSlots")
SLOT_WAIT = _time("slot_wait", "Longest time to wait for a free slot.", 6 * 3600)
SLOT_TTL = _time("slot_ttl", "How long an assignment lasts without renewal.", 24 * 3600)
EPOCH = _count("epoch", "Epoch from ensure-slot: stop where the slot has moved on.")
RUN_ID = _text("run_id", "The workflow run that holds the slot.", fallbacks=("GITHUB_RUN_ID",))
ALL = _switch("all", "Every slot.")
WITH_CONFIGMAP = _switch("with_configmap", "Remove the slot's record as well.")
INCLUDE_AI_REPAIR = _switch("include_ai_repair", "The repair environment too.")
DELETE_BRANCH = _switch("delete_branch", "Delete the agent's branch too.")
CLOSE_ISSUE = _switch("close_issue", "Close the linked issue too.")
FORCE = _switch("force", "Even where unpublished work would be lost.")

# Sources and images
CODE_ROOT_BASE = _text("code_root_base", "Folder of all sources in the volume.", metavar="PATH")
SOURCE = _text("source", "The checkout to copy.", metavar="PATH")
WORKSPACE_MOUNT = _path("workspace_mount", "Where the workspace volume is mounted.", "/workspace")
WORKSPACE_PVC = _text("workspace_pvc", "The workspace's claim.", shown_default="<project>-workspace")
SYNC_IMAGE = _text("sync_image", "Image of the pod that receives sources.", "busybox:1.37.0")
DISCARD_CHANGES = _switch("discard_changes", "Overwrite unpublished work in the volume.")
PREPARE_IMAGES = _switch("prepare_images", "Mirror and build images when the slot is new.")
APPLY = _switch("apply", "Apply the stack when the slot is new.")
FORCE_APPLY = _switch("force_apply", "Apply even where nothing changed since the last time.")
WAIT_SOFT_FAIL = _switch("wait_soft_fail", "A stack that is not ready is reported, not an error.")
MIRROR = _switch("mirror", "Mirror external images.", True, variable="CODEXCTL_MIRROR_IMAGES")
BUILD = _switch("build", "Build the project's images.", True, variable="CODEXCTL_BUILD_IMAGES")
BUILDER = _text("builder", "Where Kaniko runs.", "auto", choices=("auto", "executor", "job"))
KANIKO_EXECUTOR = _text("kaniko_executor", "Kaniko's executor.", "/kaniko/executor", metavar="PATH")
KANIKO_IMAGE = _text("kaniko_image", "Image of a build Job.", metavar="IMAGE")
KANIKO_PRIVILEGED = _switch("kaniko_privileged", "Build Jobs are privileged; Kaniko itself needs no more than root.")
KANIKO_RUNNER = _switch("kaniko_runner", "This runner is made for builds and thrown away: Kaniko may unpack over it.")
MAX_PARALLEL = _count("max_parallel", "Build Jobs at once.", 4)
REGISTRY_MIRROR = _names(
    "registry_mirror", "Pull-through caches that are asked before Docker Hub.", fallbacks=("KANIKO_REGISTRY_MIRROR",)
)
OLDER_THAN = _time("older_than", "Only what is older than this.", 7 * 24 * 3600)
KANIKO_INSECURE = _switch("kaniko_insecure", "The registry speaks plain HTTP.")
KANIKO_SKIP_TLS_VERIFY = _switch("kaniko_skip_tls_verify", "Don't check the registry's certificate on push.")
KANIKO_SKIP_TLS_VERIFY_PULL = _switch("kaniko_skip_tls_verify_pull", "Don't check certificates on pull.")

# Agent
KIND = _text(
    "kind",
    "What the agent is to do.",
    choices=("plan_issue", "plan_review", "dev_issue", "dev_review", "ai-repair_issue", "ai-repair_review"),
)
TEMPLATE = _text("template", "Prompt template in place of the built-in one.", metavar="FILE")
LANG = _text("lang", "Language of the prompt.", "en", key="codex.promptLang")
RESUME = _switch("resume", "Go on in the thread of the slot.")
INFRA_UNHEALTHY = _switch("infra_unhealthy", "Tell the agent that the stack is not healthy.")
MODEL = _text("model", "Model of the agent.", key="codex.model")
REASONING_EFFORT = _text(
    "reasoning_effort",
    "Effort of the model: low, medium, high, xhigh.",
    variable="CODEXCTL_MODEL_REASONING_EFFORT",
    key="codex.modelReasoningEffort",
)
PROMPT_MODE = _text("prompt_mode", "Whole prompt or the short one of a resumed thread.", choices=("", "full", "short"))
PROMPT_CONTINUATION = _switch("prompt_continuation", "The whole prompt in a resumed thread too.")
EXECUTOR = _text("executor", "Where the agent runs.", "auto", choices=("auto", "pod", "runner"), key="codex.executor")
EXEC_TIMEOUT = _time("exec_timeout", "Longest time for the agent.", 3600, key="codex.timeouts.exec")
IDLE_TIMEOUT = _time("idle_timeout", "Longest time without an event of the agent.", 900)
MAX_TOKENS = _count("max_tokens", "Most tokens for the agent, read and written; 0 is no limit.", key="codex.maxTokens")
MAX_MINUTES = _count("max_minutes", "Most minutes for the agent; 0 leaves it to the timeout.")
CONCLUSION = _text("conclusion", "How the agent's run ended, from prompt-run.")

FINAL_MESSAGE = _text("final_message", "The agent's last words, from prompt-run.")
TOKENS_IN = _count("tokens_in", "Tokens the agent read, from prompt-run.")
TOKENS_OUT = _count("tokens_out", "Tokens the agent wrote, from prompt-run.")
FAILURE = _text("failure", "What failed, from the step that did.")

# GitHub
REPO = _text("repo", "Repository as owner/name.", fallbacks=("GITHUB_REPOSITORY",), metavar="OWNER/NAME")
BRANCH = _text("branch", "The branch.", metavar="NAME")
BODY = _text("body", "Text of the comment.")
TOPIC = _text("topic", "Which of our comments: there is one of each topic.", "env")
TITLE = _text("title", "Title in place of the agent's.")
EVENT = _text("event", "The event's payload.", fallbacks=("GITHUB_EVENT_PATH",), metavar="FILE")
ACTOR = _text("actor", "Who started this run.", fallbacks=("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"))
ALLOWED_USERS = _names("allowed_users", "Who may start agents, besides having write permission.")
GH_USERNAME = _text("gh_username", "Name of commits.", metavar="NAME")
GH_EMAIL = _text("gh_email", "Address of commits.", metavar="ADDRESS")
GH_PAT = _text("gh_pat", "Token for GitHub.", fallbacks=("GH_TOKEN", "GITHUB_TOKEN"), secret=True, has_flag=False)
APP_ID = _text("app_id", "GitHub App in place of a personal token.", metavar="ID")
APP_PRIVATE_KEY = _text("app_private_key", "The App's private key.", secret=True, has_flag=False)
TEMPLATE_SECRETS = _text("template_secrets", "More values for templates, as dotenv.", secret=True, has_flag=False)

TEMPLATES_ONLY = (
    "CODEXCTL_BASE_DOMAIN_DEV",
    "CODEXCTL_BASE_DOMAIN_AI_STAGING",
    "CODEXCTL_BASE_DOMAIN_AI",
    "CODEXCTL_DATA_PVC",
    "CODEXCTL_REGISTRY_HOST",
    "CODEXCTL_REGISTRY_PVC",
    "CODEXCTL_STORAGE_CLASS_DATA",
    "CODEXCTL_STORAGE_CLASS_REGISTRY",
    "CODEXCTL_STORAGE_CLASS_WORKSPACE",
    "LETSENCRYPT_EMAIL",
)
"""Variables with a name of ours that templates alone read."""

LOGGING: tuple[Option[Any], ...] = (LOG_LEVEL, LOG_FORMAT, DEBUG)
GLOBAL: tuple[Option[Any], ...] = (CONFIG, ENVIRONMENT, NAMESPACE, *LOGGING)
TEMPLATED: tuple[Option[Any], ...] = (VARS, VAR_FILE, STRICT, TEMPLATE_SECRETS)
FILTERS: tuple[Option[Any], ...] = (ONLY_SERVICES, SKIP_SERVICES, ONLY_INFRA, SKIP_INFRA)
RESULT: tuple[Option[Any], ...] = (CONCLUSION, FINAL_MESSAGE, TOKENS_IN, TOKENS_OUT)
CLUSTER: tuple[Option[Any], ...] = (KUBECONFIG, KUBE_CONTEXT, REQUEST_TIMEOUT)
CLAIM: tuple[Option[Any], ...] = (SLOT, ISSUE, PR, EPOCH, RUN_ID)
TO_GITHUB: tuple[Option[Any], ...] = (REPO, GH_PAT, APP_ID, APP_PRIVATE_KEY)
