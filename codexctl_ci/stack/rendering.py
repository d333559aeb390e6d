"""From a project to the objects of its stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from codexctl_ci.errors import ConfigError, Finding, InvalidStack
from codexctl_ci.stack import kinds
from codexctl_ci.stack.environments import REPAIR
from codexctl_ci.stack.manifests import parse_manifests, set_namespaces
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from codexctl_ci.stack.order import Hooks, Item, Layer, in_layers
from codexctl_ci.stack.overlays import apply_service, set_pull_policy
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.schema import HookStep, InfraGroup, ServiceSpec
from codexctl_ci.stack.selection import Selection, active_steps, included
from codexctl_ci.stack.template_faults import template_faults
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.errors import TemplateError

Namespaced = Callable[[str, str], bool | None]
"""Whether objects of (apiVersion, kind) live in namespaces; None where nobody knows: then they do."""


@dataclass(frozen=True)
class RenderedStack:
    """What is to be applied: layers in order, and the steps before and after all of it."""

    layers: tuple[Layer, ...]
    before_all: tuple[HookStep, ...] = ()
    after_all: tuple[HookStep, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """All groups and services, in order."""
        return tuple(item for layer in self.layers for item in layer.items)

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """All objects, in order."""
        return tuple(manifest for layer in self.layers for manifest in layer.manifests)


def render(
    project: Project, selection: Selection | None = None, *, namespaced: Namespaced = kinds.namespaced
) -> RenderedStack:
    """Render the manifests that ``selection`` takes.

    Raises ConfigError for unknown names in it, InvalidStack with every fault in every manifest: templates that fail,
    text that is no YAML, objects without a name, the same object twice, mounts of claims that nobody makes.
    """
    selection = selection or Selection()
    spec = project.spec
    selection.check((service.name for service in spec.services), (group.name for group in spec.infrastructure))
    findings: list[Finding] = []
    items: list[Item] = []
    for group in spec.infrastructure:
        if selection.takes_infra(group.name) and included(group.when, project.dialect):
            items.append(_item(project, group, namespaced, findings))
    for service in spec.services:
        if selection.takes_service(service.name) and included(service.when, project.dialect):
            items.append(_item(project, service, namespaced, findings))
    findings += _duplicates(items)
    doubtful: list[Finding] = []
    if selection.everything:
        (doubtful if project.dialect is Dialect.GO else findings).extend(_unknown_claims(project, items))
    if findings:
        raise InvalidStack(findings)
    return RenderedStack(
        in_layers(items, spec.infrastructure, spec.services, as_written=project.dialect is Dialect.GO),
        active_steps(spec.hooks.before_all),
        active_steps(spec.hooks.after_all),
        tuple(doubtful),
    )


def manifest_faults(project: Project, *, templates: bool) -> list[Finding]:
    """What is wrong with the manifests; with them all well, mounts of volume claims that none of them makes.

    Without ``templates`` what fails in rendering them is left out: the project lacks what they use.
    """
    found: list[Finding] = []
    failed: list[Finding] = []
    entries: list[InfraGroup | ServiceSpec] = [*project.spec.infrastructure, *project.spec.services]
    items = [
        _item(project, entry, kinds.namespaced, found, failed)
        for entry in entries
        if included(entry.when, project.dialect)
    ]
    if found or failed:
        return [*found, *(failed if templates else [])]
    return [] if project.dialect is Dialect.GO else _unknown_claims(project, items)


def _item(
    project: Project,
    entry: InfraGroup | ServiceSpec,
    namespaced: Namespaced,
    findings: list[Finding],
    failed: list[Finding] | None = None,
) -> Item:
    """The group or service rendered. Faults go to ``findings``, those of templates to ``failed`` where it is given."""
    manifests: list[Manifest] = []
    for manifest in entry.manifests:
        try:
            manifests += _objects(project, manifest.path)
        except InvalidStack as error:
            findings += error.findings
        except TemplateError:
            text = project.files.read(manifest.path)
            found = template_faults(text, manifest.path, partial(project.render_text, file=manifest.path))
            (findings if failed is None else failed).extend(found)
        except ConfigError as error:
            findings.append(_unreadable(project, entry, manifest.path, error))
    if isinstance(entry, ServiceSpec):
        manifests = apply_service(manifests, entry, project.env, project.dialect)
    set_namespaces(manifests, project.namespace, namespaced)
    if project.environment.image_pull_policy:
        set_pull_policy(manifests, project.environment.image_pull_policy)
    hooks = entry.hooks
    return Item(
        entry.name,
        "service" if isinstance(entry, ServiceSpec) else "infrastructure",
        tuple(manifests),
        Hooks(
            active_steps(hooks.before_apply),
            active_steps(hooks.after_apply),
            active_steps(hooks.before_destroy),
            active_steps(hooks.after_destroy),
        ),
    )


def _objects(project: Project, path: str) -> list[Manifest]:
    text = project.files.read(path)
    rendered = project.render_text(text, path) if "{{" in text or "{%" in text or "{#" in text else text
    try:
        return parse_manifests(rendered, path)
    except InvalidStack as error:
        from codexctl_ci.stack.source_lines import SourceLines

        lines = SourceLines(rendered, text)
        raise InvalidStack([lines.finding(finding) for finding in error.findings]) from None


def _unreadable(project: Project, entry: InfraGroup | ServiceSpec, path: str, error: ConfigError) -> Finding:
    key = "services" if isinstance(entry, ServiceSpec) else "infrastructure"
    items = project.document.data.get(key) or []
    position = next((n for n, item in enumerate(items) if isinstance(item, dict) and item.get("name") == entry.name), 0)
    number = next((n for n, manifest in enumerate(entry.manifests) if manifest.path == path), 0)
    message = ": ".join(part for part in (path, error.what, error.reason) if part)
    return project.document.finding((key, position, "manifests", number), message, error.hint)


def _duplicates(items: Iterable[Item]) -> list[Finding]:
    owners: dict[Ref, str] = {}
    found = []
    for item in items:
        for manifest in item.manifests:
            ref = ref_of(manifest)
            if ref in owners:
                found.append(Finding(f"{ref} is rendered twice: by {owners[ref]!r} and by {item.name!r}"))
            owners.setdefault(ref, item.name)
    return found


def _unknown_claims(project: Project, items: list[Item]) -> list[Finding]:
    """Claims that overlays mount and that neither a manifest nor a variable names.

    A repair works among staging's objects, which its own rendering doesn't hold.
    """
    if project.env == REPAIR:
        return []
    known = {project.context.env_map.get(name, "") for name in _CLAIM_VARIABLES}
    for item in items:
        for manifest in item.manifests:
            name = manifest["metadata"]["name"]
            if manifest["kind"] == "PersistentVolumeClaim":
                known.add(name)
    found = []
    rendered = {item.name for item in items}
    for position, service in enumerate(project.spec.services):
        overlay = service.overlays.get(project.env)
        for number, mount in enumerate(overlay.pvc_mounts if overlay and service.name in rendered else ()):
            if mount.claim_name not in known:
                path = ("services", position, "overlays", project.env, "pvcMounts", number, "claimName")
                message = f"no manifest makes the volume claim {mount.claim_name!r}"
                hint = f"known: {', '.join(sorted(known - {''}))}" if known - {""} else ""
                found.append(project.document.finding(path, message, hint))
    return found


_CLAIM_VARIABLES = ("CODEXCTL_WORKSPACE_PVC", "CODEXCTL_DATA_PVC", "CODEXCTL_REGISTRY_PVC")
