"""The files with which a project begins: what was found, what is written, what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from codexctl_ci.adoption import compose
from codexctl_ci.adoption.checklist import checklist
from codexctl_ci.adoption.components import Component, exposed, from_dockerfiles, is_dockerfile, label
from codexctl_ci.adoption.draft_manifests import CODEX, MODEL, WORKSPACE, manifest
from codexctl_ci.adoption.draft_services import services_yaml, site_of
from codexctl_ci.adoption.wrappers import MAIN, WRAPPERS

CHECKLIST = "CODEXCTL-CHECKLIST.md"


@dataclass(frozen=True)
class Discovery:
    """What a project's own files tell. ``notes`` are for people."""

    project: str
    components: Sequence[Component]
    notes: Sequence[str] = ()


def wanted(path: str) -> bool:
    """Whether the text of the file at ``path`` (from the project's root) is needed by ``discover``."""
    return path in compose.NAMES or is_dockerfile(path)


def discover(name: str, texts: Mapping[str, str]) -> Discovery:
    """What runs in the project ``name``; ``texts`` are its files that are ``wanted``, by path."""
    project = label(name)[:30].strip("-") or "project"
    if not project[0].isalpha():
        project = f"p-{project}"
    dockerfiles = {path: text for path, text in texts.items() if is_dockerfile(path)}
    file = next((name for name in compose.NAMES if name in texts), "")
    found, notes = compose.read_compose(texts[file], file) if file else ([], [])
    if not found:
        found = from_dockerfiles(dockerfiles, project)
    components = []
    for component in found:
        if component.dockerfile and component.dockerfile not in dockerfiles:
            notes.append(f"{file}: {component.name}: there is no {component.dockerfile}")
        if not component.ports and not component.runs_else and component.dockerfile in dockerfiles:
            component = replace(component, ports=exposed(dockerfiles[component.dockerfile]))
        if component.image or component.dockerfile:
            components.append(component)
    notes += [
        f"{c.name} runs a command of its own and names no port, so it gets no Service and no probe: add both to "
        f"deploy/{c.name}.yaml if others reach it"
        if c.runs_else
        else f"{c.name} has no port that is known, so it gets no Service: EXPOSE it in its Dockerfile, or add one"
        for c in components
        if not c.ports
    ]
    unused = sorted(set(dockerfiles) - {component.dockerfile for component in components})
    notes += [f"{path} is used by no service of {file}" for path in unused]
    return Discovery(project, components, notes)


def stack_files(found: Discovery, services: str) -> dict[str, str]:
    """Path (from the stack's folder) to text: the stack itself, in the file ``services``, and its manifests."""
    site = site_of(found.components)
    files = {services: services_yaml(found.project, found.components)}
    files |= {f"deploy/{c.name}.yaml": manifest(c, site=c.name == site) for c in found.components}
    return files | {"deploy/workspace.yaml": WORKSPACE, "deploy/codex.yaml": CODEX, "deploy/model.toml": MODEL}


def repository_files(
    found: Discovery, *, services: str, has_stack: bool, below: str, branch: str = MAIN
) -> dict[str, str]:
    """Path (from the repository's root) to text: the wrappers and the checklist. ``below`` is the folder of the stack,
    ``.`` for the root; ``has_stack`` says that it was there already; ``branch`` is the default one."""
    inputs = {} if below == "." else {"working-directory": below}
    if services != "services.yaml":
        inputs["config"] = services
    files = {wrapper.path: wrapper.text(inputs=inputs, branch=branch) for wrapper in WRAPPERS}
    files[CHECKLIST] = checklist(found.project, () if has_stack else found.components, found.notes, branch)
    return files
