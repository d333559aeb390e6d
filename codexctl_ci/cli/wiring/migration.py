"""A project of the older tool, read in each of its environments."""

from __future__ import annotations

import logging
from pathlib import Path

from codexctl_ci.adoption.difference import OldProject
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.project import open_project
from codexctl_ci.cli.wiring.workflow_files import workflow_texts
from codexctl_ci.errors import ConfigError, Finding, InvalidStack
from codexctl_ci.stack.environments import BUILT_IN
from codexctl_ci.stack.header import read_header
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import render
from codexctl_ci.templating.errors import TemplateError
from codexctl_ci.workspace.files import ProjectFolder

_SLOTS = {"ai": 1, "ai-repair": 1}


def open_old_project(inv: Invocation) -> OldProject:
    """All that tells what would differ: what can't be read in an environment is a fault of it, not an error here.

    Raises ConfigError where there is no services.yaml.
    """
    config = Path(inv.settings[o.CONFIG])
    files = ProjectFolder(config.resolve().parent)
    text = files.read(config.name)
    header = read_header(text)
    projects: list[Project] = []
    faults: dict[Finding, None] = {}
    environments = list(BUILT_IN)
    # What is doubtful is told as a difference, once.
    logging.disable(logging.WARNING)
    try:
        for env in environments:
            try:
                project = open_project(inv, env=env, slot=_SLOTS.get(env, 0))
                projects.append(project)
                environments += [name for name in project.spec.environments if name not in environments]
                render(project)
            except ConfigError as error:
                faults |= dict.fromkeys(_findings(error))
    finally:
        logging.disable(logging.NOTSET)
    paths = {*header.manifests, *(path for pattern in header.partials for path in files.glob(pattern))}
    for project in projects:
        paths |= project.spec.manifest_paths
    return OldProject(
        config=config.name,
        text=text,
        projects=projects,
        faults=list(faults),
        texts={path: files.read(path) for path in sorted(paths) if _is_there(files, path)},
        workflows={f".github/workflows/{name}": found for name, found in workflow_texts(inv).items()},
    )


def _findings(error: ConfigError) -> list[Finding]:
    if isinstance(error, InvalidStack):
        return error.findings
    if isinstance(error, TemplateError):
        return [Finding(error.problem, error.file, error.line, error.column, error.hint)]
    message = ": ".join(part for part in (error.what, error.reason) if part)
    return [Finding(message, error.where, 0, 0, error.hint)]


def _is_there(files: ProjectFolder, path: str) -> bool:
    try:
        return files.exists(path)
    except ConfigError:
        return False
