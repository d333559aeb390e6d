"""What would differ in the manifests of a stack of the Go tool."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codexctl_ci.adoption.difference import ACT, KNOW, Difference, OldProject, lines_with
from codexctl_ci.errors import CodexctlError
from codexctl_ci.stack.kinds import namespaced
from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.source_lines import SourceLines
from codexctl_ci.stack.variables import RUNNER_CREDENTIALS, TEAM_SECRETS, asked_names
from codexctl_ci.stack.yaml_nodes import Builder, compose_all, place_of

_HELD = {
    "the model's key": re.compile(r"\bopenai-secret\b|name:\s*[\"']?(OPENAI_API_KEY|CODEX_API_KEY)\b"),
    "a GitHub token": re.compile(r"\bgithub-secret\b|name:\s*[\"']?(GH_TOKEN|GITHUB_TOKEN|CODEXCTL_GH_PAT)\b"),
}
_INSTEAD = {
    "the model's key": "let examples/cluster/model-proxy.yaml hold it",
    "a GitHub token": "take it out: publishing is a step outside of the pod",
}


def manifest_differences(old: OldProject) -> Iterator[Difference]:
    """By what the files ask for, then by the objects that they render to in each environment."""
    in_services = asked_names(old.text) | TEAM_SECRETS
    for path, text in old.texts.items():
        yield from _hidden_names(path, text, in_services)
        yield from _held_credentials(path, text)
    for project in old.projects:
        mirrored = [i.local.partition("@")[0].rpartition(":")[0] for i in project.spec.images.values() if i.local]
        for path in sorted(project.spec.manifest_paths & old.texts.keys()):
            for line, manifest in _objects(project, path, old.texts[path]):
                yield from _outside(project, path, line, manifest)
            yield from _digests(path, old.texts[path], project, [name for name in mirrored if name])


def _hidden_names(path: str, text: str, visible: frozenset[str]) -> Iterator[Difference]:
    for name in sorted(asked_names(text) - visible):
        if RUNNER_CREDENTIALS.fullmatch(name):
            for line in lines_with(text, name):
                yield Difference(
                    path,
                    line,
                    ACT,
                    name,
                    "every variable of the process, the runner's credentials too",
                    "as if unset: a credential of the runner is seen only where services.yaml asks for it by name",
                    f'better leave it out; else name it in services.yaml, as in # {{{{- $x := envOr "{name}" "" }}}}',
                )


def _held_credentials(path: str, text: str) -> Iterator[Difference]:
    for number, line in enumerate(text.split("\n"), 1):
        for what, pattern in _HELD.items():
            if pattern.search(line):
                now = "works as before; whoever talks the agent into it can read and send it"
                yield Difference(path, number, KNOW, what, "in the pod, where the agent used it", now, _INSTEAD[what])


def _objects(project: Project, path: str, text: str) -> Iterator[tuple[int, Manifest]]:
    """Each object with the line where it begins; none where the file can't be rendered, which is told elsewhere."""
    try:
        rendered = project.render_text(text, path)
        nodes = list(compose_all(rendered, path))
    except CodexctlError:
        return
    lines = SourceLines(rendered, text)
    for node in nodes:
        data = Builder(path).build(node)
        if isinstance(data, dict) and isinstance(data.get("metadata"), dict) and data.get("kind"):
            yield lines.place(place_of(node)).line, data


def _outside(project: Project, path: str, line: int, manifest: Manifest) -> Iterator[Difference]:
    kind, name = str(manifest["kind"]), manifest["metadata"].get("name")
    namespace = manifest["metadata"].get("namespace") or project.namespace
    if not namespaced(str(manifest.get("apiVersion")), kind):
        where = "cluster-wide"
    elif namespace != project.namespace:
        where = f"in {namespace}"
    else:
        return
    yield Difference(
        path,
        line,
        KNOW,
        f"{kind}/{name} {where}",
        "applied by the runner, mostly an administrator",
        "applied by the runner's own account, if its role lets it; no clean-up ever deletes it",
        "bind what it takes to that account: `codexctl-ci doctor` prints it",
    )


def _digests(path: str, text: str, project: Project, mirrored: list[str]) -> Iterator[Difference]:
    registry = project.spec.registry
    for name in mirrored:
        # As written, the registry is mostly a template's action.
        tail = name.removeprefix(registry) if registry else name
        for line in lines_with(text, f"{tail}@sha256:"):
            yield Difference(
                path,
                line,
                ACT,
                f"digest of {name}",
                "that of the copy, which a build made",
                "the copy has the digest of its source",
                "put the source's digest here, or a tag",
            )
