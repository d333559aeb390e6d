"""What can be told from the project's own files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from codexctl_ci.adoption.wrappers import WRAPPERS
from codexctl_ci.errors import InvalidStack
from codexctl_ci.operations.doctor import Finding, Level
from codexctl_ci.stack.objects import Manifest, ref_of
from codexctl_ci.stack.variables import asked_names
from codexctl_ci.stack.yaml_nodes import Builder, compose_all

WORKFLOWS = tuple(wrapper.name for wrapper in WRAPPERS)
_USES = re.compile(
    r"""^\s*uses:\s*["']?([\w.-]+/[\w.-]+)/\.github/workflows/(ai_\w+)\.ya?ml@([\w./-]+)""", re.MULTILINE
)
_IN_SLOTS, _ON_STAGING = {"runs-on": "ai"}, {"runs-on": "ai-staging"}
_RUNNERS = {
    "ai_staging_deploy": _ON_STAGING,
    "ai_repair_issue": _ON_STAGING,
    "ai_repair_pr_review": _ON_STAGING,
    "ai_cleanup": {"runs-on": "ai", "runs-on-staging": "ai-staging"},
}
"""Inputs that name runners, and the label that stands for each where it isn't given."""
_NO_DEFAULT = re.compile(
    r"""envOr\W{1,6}([A-Za-z_]\w*)["']?[\s,]+(?:""|'')|(?:\.EnvMap|env_map|env_?[Rr]equired)\W{1,6}([A-Za-z_]\w*)"""
)
_MODEL_KEYS = frozenset({"OPENAI_API_KEY", "CODEX_API_KEY"})
_MODEL_SECRET = "openai-secret"
_NOT_ASKED_FOR = re.compile(r"CODEXCTL_(SLOT|ENV|NAMESPACE|ISSUE_NUMBER|PR_NUMBER|FOCUS_ISSUE_NUMBER)|GITHUB_\w+")


def variables(texts: Iterable[str], given: Mapping[str, str], *, known: Collection[str] = ()) -> Iterator[Finding]:
    """Variables that templates ask for and nobody set. ``known`` are set elsewhere (the repository's variables)."""
    asked: set[str] = set()
    bare: set[str] = set()
    for text in texts:
        asked |= asked_names(text)
        bare |= {name for groups in _NO_DEFAULT.findall(text) for name in groups if name}
    unset = {name for name in asked if not given.get(name) and name not in known and not _NOT_ASKED_FOR.fullmatch(name)}
    empty = sorted(unset & bare)
    if empty:
        yield Finding(
            "project",
            "template variables",
            Level.WARN,
            f"without a value or a default: {', '.join(empty)}",
            "set them as variables or secrets of the repository, unless empty is meant",
        )
    rest = sorted(unset - set(empty))
    words = f"{len(asked)} asked for" + (f"; left to their defaults: {', '.join(rest)}" if rest else ", all set")
    if not empty:
        yield Finding("project", "template variables", Level.OK, words)


def wrappers(files: Mapping[str, str], repository: str) -> Iterator[Finding]:
    """Whether the project's workflows call ours. ``files`` maps names below .github/workflows to their text."""
    calls: dict[str, list[tuple[str, str, str]]] = {}
    for name, text in sorted(files.items()):
        for owner, workflow, ref in _USES.findall(text):
            calls.setdefault(workflow, []).append((name, owner, ref))
    missing = [name for name in WORKFLOWS if name not in calls]
    if missing:
        yield Finding(
            "project",
            "workflows",
            Level.FAIL if len(missing) == len(WORKFLOWS) else Level.WARN,
            f"no workflow of yours calls {', '.join(missing)}",
            "`codexctl-ci init` writes those that are missing",
        )
    foreign = sorted(
        f"{file}: {owner}" for found in calls.values() for file, owner, _ in found if owner.lower() != repository
    )
    if foreign:
        yield Finding(
            "project",
            "workflows",
            Level.WARN,
            f"some call another repository ({'; '.join(foreign)})",
            f"change their uses: to {repository}/.github/workflows/<name>.yml, unless that is your own copy",
        )
    moving = sorted({ref for found in calls.values() for _, _, ref in found if ref in ("main", "master", "HEAD")})
    if moving:
        yield Finding(
            "project",
            "workflows",
            Level.WARN,
            f"called at {', '.join(moving)}, which moves",
            "name a release (@v1) or a commit",
        )
    if not (missing or foreign or moving):
        refs = sorted({ref for found in calls.values() for _, _, ref in found})
        yield Finding("project", "workflows", Level.OK, f"all {len(WORKFLOWS)} are called, at {', '.join(refs)}")


def wanted_runners(files: Mapping[str, str]) -> set[frozenset[str]]:
    """The labels that jobs of the project's wrappers ask for; what an expression decides is left out."""
    found: set[frozenset[str]] = set()
    for name, text in files.items():
        for call in _jobs(name, text):
            uses = _USES.match(f"uses: {call.get('uses')}")
            if uses is None:
                continue
            inputs = call.get("with")
            for key, own in _RUNNERS.get(uses[2], _IN_SLOTS).items():
                given = str((inputs.get(key) if isinstance(inputs, dict) else "") or f'["self-hosted", "{own}"]')
                if "${{" not in given:
                    found.add(frozenset(word for word in re.split(r"""[\s\[\]"',]+""", given) if word))
    return found


def _jobs(name: str, text: str) -> Iterator[Mapping[str, object]]:
    try:
        roots = [Builder(name, as_text=True).build(node) for node in compose_all(text, name)]
    except InvalidStack:
        return
    for root in roots:
        jobs = root.get("jobs") if isinstance(root, dict) else None
        yield from (job for job in (jobs.values() if isinstance(jobs, dict) else ()) if isinstance(job, dict))


def model_key(manifests: Iterable[Manifest]) -> Iterator[Finding]:
    """Whether a pod of the slot holds the model's key, where an agent can read it."""
    holders = sorted({str(ref_of(manifest)) for manifest in manifests if _holds_key(manifest)})
    if holders:
        yield Finding(
            "project",
            "model's key",
            Level.WARN,
            f"{', '.join(holders)} hold the model's key: whoever talks the agent into it can read and send it",
            "let a proxy outside of the slot add the key (examples/cluster/model-proxy.yaml), or cap the key's budget",
        )
    else:
        yield Finding("project", "model's key", Level.OK, "no pod of a slot holds it")


def _holds_key(manifest: Manifest) -> bool:
    if manifest.get("kind") == "Secret":
        return bool(_MODEL_KEYS & {*(manifest.get("data") or {}), *(manifest.get("stringData") or {})})
    return any(_names_key(box) for box in _containers(manifest))


def _names_key(box: Mapping[str, object]) -> bool:
    env = box.get("env")
    for variable in env if isinstance(env, list) else ():
        if isinstance(variable, dict) and variable.get("name") in _MODEL_KEYS:
            return True
    sources = box.get("envFrom")
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, dict) and (source.get("secretRef") or {}).get("name") == _MODEL_SECRET:
            return True
    return False


def _containers(part: object) -> Iterator[Mapping[str, object]]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (box for box in value if isinstance(box, dict))
            else:
                yield from _containers(value)
    elif isinstance(part, list):
        for item in part:
            yield from _containers(item)
