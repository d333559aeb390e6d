"""The doctor's checks, each with the neighbour that it asks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from codexctl_ci import REPOSITORY, __version__, process
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.doctor_github import github_checks
from codexctl_ci.cli.wiring.doctor_images import failing, image_checks
from codexctl_ci.cli.wiring.workflow_files import workflow_texts
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations import doctor_cluster, doctor_project, doctor_stack
from codexctl_ci.operations.doctor import Check, Finding, Level
from codexctl_ci.operations.doctor_cluster import Stack
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.variables import asked_names

if TYPE_CHECKING:
    from codexctl_ci.kube.client import Cluster

_ENVIRONMENTS = (("ai", 1), ("ai-staging", 0))
_OLDEST_GIT = (2, 38)
_UNUSED_SLOT = 9999


@dataclass
class Patient:
    """What could be opened. ``faults`` is what is wrong with services.yaml."""

    inv: Invocation
    project: Project | None = None
    stacks: list[Stack] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)


def open_patient(inv: Invocation) -> Patient:
    """Read the project as a slot and as staging see it; what cannot be read is a finding."""
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.stack.rendering import render

    patient = Patient(inv)
    for env, slot in _ENVIRONMENTS:
        try:
            project = open_project(inv, env=env, slot=slot)
            rendered = render(project)
        except CodexctlError as error:
            fault = Finding("project", f"stack of {env}", Level.FAIL, str(error), "codexctl-ci render shows the same")
            patient.faults.append(fault)
            continue
        patient.project = patient.project or project
        patient.stacks.append(Stack(env, project.namespace, rendered.manifests, slot=env == "ai"))
    return patient


def checks(patient: Patient) -> list[Check]:
    """Everything that can be looked at here."""
    inv, project = patient.inv, patient.project
    found = [Check("here", "tools", lambda: _tools()), Check("project", "stack", lambda: _stack(patient))]
    if project is not None:
        found += _project_checks(patient, project)
        found += _cluster_checks(patient, project)
        found += image_checks(inv, project, patient.stacks, lambda: _cluster(inv, project))
    else:
        found.append(Check("project", "workflows", lambda: _wrappers(inv)))
    wanted = doctor_project.wanted_runners(workflow_texts(inv))
    asked = _asked(project) if project is not None else set()
    limit = project.spec.max_slots if project is not None else 0
    return [*found, *github_checks(inv, lambda: _scale_sets(patient), wanted, asked, limit or 0)]


def _tools() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("here", "Python", Level.OK, f"{version}, codexctl-ci {__version__}")
    try:
        done = process.run(["git", "--version"], timeout=timedelta(seconds=10))
    except FileNotFoundError:
        yield Finding("here", "git", Level.FAIL, "is not installed", "add it to the runner's image")
        return
    text = done.stdout.decode("utf-8", "replace").strip()
    numbers = re.search(r"(\d+)\.(\d+)", text)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST_GIT:
        oldest = ".".join(map(str, _OLDEST_GIT))
        yield Finding("here", "git", Level.FAIL, text, f"publishing needs git {oldest} or newer")
    else:
        yield Finding("here", "git", Level.OK, text)


def _stack(patient: Patient) -> Iterator[Finding]:
    yield from patient.faults
    for stack in patient.stacks:
        words = f"{len(stack.manifests)} objects for {stack.namespace}"
        yield Finding("project", f"stack of {stack.env}", Level.OK, words)


def _project_checks(patient: Patient, project: Project) -> list[Check]:
    inv = patient.inv
    slot = [manifest for stack in patient.stacks if stack.slot for manifest in stack.manifests]
    return [
        Check("project", "template variables", lambda: _variables(inv, project)),
        Check("project", "workflows", lambda: _wrappers(inv)),
        Check("project", "model's key", lambda: doctor_project.model_key(slot)),
    ]


def _variables(inv: Invocation, project: Project) -> Iterable[Finding]:
    known = _repository_variables(inv)
    return doctor_project.variables(_templates(project), project.context.env_map, known=known)


def _asked(project: Project) -> set[str]:
    return {name for text in _templates(project) for name in asked_names(text)}


def _templates(project: Project) -> list[str]:
    paths = {project.document.file, *project.spec.manifest_paths}
    return [project.files.read(path) for path in sorted(paths) if project.files.exists(path)]


def _repository_variables(inv: Invocation) -> frozenset[str]:
    """What workflows would add; nothing where GitHub doesn't tell."""
    from codexctl_ci.cli.wiring.github import github_or_none
    from codexctl_ci.github.facts import Facts

    github = github_or_none(inv)
    if github is None:
        return frozenset()
    try:
        return frozenset(Facts(github).variables())
    except CodexctlError:
        return frozenset()


def _wrappers(inv: Invocation) -> Iterable[Finding]:
    return doctor_project.wrappers(workflow_texts(inv), REPOSITORY)


def _cluster_checks(patient: Patient, project: Project) -> list[Check]:
    inv, stacks = patient.inv, patient.stacks
    try:
        cluster = _cluster(inv, project)
    except CodexctlError as error:
        return [failing("cluster", "version", error)]
    state = project.spec.state
    records = state.configmap_namespace or project.namespace_for("ai-staging", 0)
    claim = inv.settings[o.WORKSPACE_PVC] or f"{project.name}-workspace"
    slot = project.namespace_for("ai", _UNUSED_SLOT)
    go = state.backend.lower() != "lease"
    return [
        Check("cluster", "version", lambda: doctor_cluster.version(cluster)),
        Check("cluster", "clock", lambda: doctor_cluster.clock(cluster, lambda: datetime.now(UTC)), Level.WARN),
        Check(
            "cluster", "rights", lambda: doctor_cluster.rights(cluster, project.name, stacks, records, go_records=go)
        ),
        Check("cluster", "admission policy", lambda: doctor_cluster.admission(cluster, project.name, slot), Level.WARN),
        Check("cluster", "storage", lambda: doctor_stack.storage(cluster, stacks), Level.WARN),
        Check("cluster", "ingress", lambda: doctor_stack.ingress(cluster, stacks), Level.WARN),
        Check("cluster", "workspace", lambda: doctor_stack.workspace(cluster, stacks, claim)),
    ]


def _cluster(inv: Invocation, project: Project) -> Cluster:
    from codexctl_ci.cli.wiring.cluster import open_cluster

    return open_cluster(inv, project.environment)


def _scale_sets(patient: Patient) -> dict[str, int] | None:
    if patient.project is None:
        return None
    try:
        return doctor_cluster.scale_sets(_cluster(patient.inv, patient.project))
    except CodexctlError:
        return None
