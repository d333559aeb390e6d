"""What is left to do by hand after the first files are written."""

from __future__ import annotations

from collections.abc import Sequence

from codexctl_ci import REPOSITORY
from codexctl_ci.adoption.components import Component
from codexctl_ci.adoption.draft_manifests import secret_value
from codexctl_ci.adoption.values import is_secret, references

_DOCS = f"https://github.com/{REPOSITORY}/blob/main"


def checklist(project: str, components: Sequence[Component], notes: Sequence[str], branch: str) -> str:
    """A page with boxes to tick. ``branch`` is the repository's default one."""
    lines = [
        f"# {project}: what is left to do",
        "",
        "Written by `codexctl-ci init`; `codexctl-ci doctor` says which of these are done. Delete it afterwards.",
        "",
        "## In this repository",
        "- [ ] Read `services.yaml` and `deploy/`; `codexctl-ci render --env ai --slot 1` shows what comes of them.",
        "- [ ] Say in `codex.projectContext` (or `AGENTS.md`) how tests are run and what must not be changed.",
        *(f"- [ ] {note}" for note in notes),
        "",
        "## In the cluster, once",
        f"- [ ] The runner's account, the model's proxy, the collector: [examples/cluster]({_DOCS}/examples/cluster),",
        f"      with `{project}` in place of `pantry`.",
        "- [ ] Runners with the labels `ai` and `ai-staging` beside `self-hosted`: two more than `maxSlots`.",
        "",
        "## In the repository's settings",
        "- [ ] Environment `ai-staging`, with deployment branches.",
        "- [ ] Secrets `CODEXCTL_GH_PAT` (or a GitHub App's `CODEXCTL_APP_ID` and `CODEXCTL_APP_PRIVATE_KEY`) and",
        "      `OPENAI_API_KEY`.",
        *_secrets(components),
        "- [ ] Variables `CODEXCTL_REGISTRY_HOST`, `CODEXCTL_BASE_DOMAIN_AI`, `CODEXCTL_BASE_DOMAIN_AI_STAGING`.",
        *_variables(components),
        "- [ ] Labels `[ai-dev]`, `[ai-plan]`, `[ai-repair]`.",
        "",
        "## Then",
        "- [ ] `codexctl-ci doctor` fails nowhere.",
        f"- [ ] Push to `{branch}`: staging comes up.",
        "- [ ] Label an issue `[ai-dev]`.",
        "",
        f"Step by step: [getting started]({_DOCS}/docs/getting-started.md).",
    ]
    return "\n".join(lines) + "\n"


def _asked(components: Sequence[Component], *, secret: bool) -> list[str]:
    names: set[str] = set()
    for component in components:
        for name, value in (*component.environment.items(), *component.build_args.items()):
            if is_secret(name, value) is secret:
                names |= set(references(secret_value(name, value) if secret else value))
        if not secret:
            names |= set(references(component.image))
    return sorted(names)


def _secrets(components: Sequence[Component]) -> list[str]:
    names = _asked(components, secret=True)
    if not names:
        return []
    listed = ", ".join(f"`{name}`" for name in names)
    return [
        f"- [ ] Secret `CODEXCTL_TEMPLATE_SECRETS`, a line `NAME=value` for each of {listed};",
        "      for yourself `export` them, or list a file that git ignores in `envFiles` of services.yaml.",
    ]


def _variables(components: Sequence[Component]) -> list[str]:
    names = _asked(components, secret=False)
    return (
        [f"- [ ] Variables for templates, as compose had them: {', '.join(f'`{n}`' for n in names)}."] if names else []
    )
