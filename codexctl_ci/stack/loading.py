"""Reading services.yaml: its header as written, the whole as a template, then every check there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codexctl_ci.errors import ConfigError, Finding, InvalidStack
from codexctl_ci.stack import environments
from codexctl_ci.stack.document import Document, render_document
from codexctl_ci.stack.files import ProjectFiles
from codexctl_ci.stack.header import Header, read_header
from codexctl_ci.stack.project import Project, Surroundings
from codexctl_ci.stack.references import check_made, check_references
from codexctl_ci.stack.rendering import missing_claims
from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.template_view import codex_view, storage_view
from codexctl_ci.stack.validation import validate
from codexctl_ci.stack.variables import TEAM_SECRETS, asked_names, parse_dotenv
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect, detect
from codexctl_ci.templating.engine import Engine, make_engine


def load_project(files: ProjectFiles, config: str, around: Surroundings) -> Project:
    """Read ``config`` (a path below the root of ``files``).

    Raises InvalidStack with all faults of the file, TemplateError where it can't be rendered, ConfigError for an
    unknown environment.
    """
    text = files.read(config)
    header = read_header(text)
    dialect = _dialect(text, header, files, config)
    warnings: list[Finding] = []
    asked = asked_names(text) | (TEAM_SECRETS if dialect is Dialect.GO else frozenset())
    env_map = around.inputs.env_map(_env_files(header, files, warnings), asked)
    engine = make_engine(dialect, partials=_partials(header, files, around.alone), env=env_map, now=around.now)
    context = _first_context(header, around, env_map, engine, dialect, config)
    document = render_document(text, config, engine, context)
    lenient = dialect is Dialect.GO and not around.strict
    checked = validate(document, unknown_keys_are_errors=not lenient)
    errors = list(checked.errors)
    warnings += checked.warnings
    spec = checked.spec
    errors += check_references(spec, document)
    (warnings if lenient else errors).extend(check_made(spec, document))
    if around.env not in (*environments.BUILT_IN, *spec.environments) and errors:
        raise InvalidStack(_sorted(errors))
    # As written, since each slot needs the pattern itself and not what it gave for this one.
    patterns = {**spec.namespace.patterns, **header.patterns}
    spec = spec.but(namespace=spec.namespace.but(patterns=patterns))
    project = _assemble(spec, document, context, engine, dialect, files, around)
    if errors:
        raise InvalidStack(_sorted([*errors, *missing_claims(project)]))
    project = replace(project, spec=_with_late_hooks(project, text, config), warnings=tuple(_sorted(warnings)))
    return project


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.line, finding.column))


def _dialect(text: str, header: Header, files: ProjectFiles, config: str) -> Dialect:
    """As the file's key says, else as its templates show, else as its manifests do, else Jinja."""
    if header.dialect in (Dialect.GO, Dialect.JINJA):
        return Dialect(header.dialect)
    found = detect(text, config)
    if found:
        return found
    for path in header.manifests:
        if files.exists(path) and (found := detect(files.read(path), path)):
            return found
    return Dialect.JINJA


def _env_files(header: Header, files: ProjectFiles, warnings: list[Finding]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in header.env_files:
        if files.exists(path):
            found |= parse_dotenv(files.read(path), path)
        else:
            # Mostly a developer's own file, which a checkout in CI doesn't have.
            warnings.append(Finding(f"envFiles: there is no {path}"))
    return found


def _partials(header: Header, files: ProjectFiles, alone: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for pattern in header.partials:
        paths = files.glob(pattern)
        if not paths and not alone:
            raise ConfigError(f"templates.partials: no file matches {pattern!r}", where="services.yaml")
        found |= {path: files.read(path) for path in paths}
    return found


def _first_context(
    header: Header, around: Surroundings, env_map: Mapping[str, str], engine: Engine, dialect: Dialect, config: str
) -> TemplateContext:
    """What services.yaml itself sees: no ``codex`` and ``storage`` yet, and its header as written.

    In the Jinja dialect templates inside the header's values are rendered first, one by one.
    """
    context = TemplateContext(
        env=around.env,
        project=header.project,
        project_root=around.root,
        slot=around.slot,
        now=around.now,
        env_map=env_map,
        vars=around.inputs.all_given,
        user_vars=around.inputs.given,
        versions=header.versions,
        base_domain=header.base_domain,
    )
    if dialect is Dialect.JINJA:
        context = replace(
            context,
            versions=_rendered(header.versions, engine, context, config),
            base_domain=_rendered(header.base_domain, engine, context, config),
        )
    namespace = around.namespace or environments.namespace_of(
        around.env,
        around.slot,
        patterns=header.patterns,
        engine=engine,
        context=context,
        dialect=dialect,
        file=config,
    )
    return replace(context, namespace=namespace)


def _rendered(values: Mapping[str, str], engine: Engine, context: TemplateContext, file: str) -> dict[str, str]:
    return {key: engine.render(value, context, file=file) if "{" in value else value for key, value in values.items()}


def _assemble(
    spec: StackSpec,
    document: Document,
    context: TemplateContext,
    engine: Engine,
    dialect: Dialect,
    files: ProjectFiles,
    around: Surroundings,
) -> Project:
    context = replace(
        context,
        project=spec.project,
        versions=spec.versions,
        base_domain=spec.base_domain,
        codex=codex_view(spec, document.data),
        storage=storage_view(spec),
        extra={key: value for key, value in document.data.items() if isinstance(value, str)},
    )
    namespace = around.namespace or environments.namespace_of(
        around.env,
        around.slot,
        patterns=spec.namespace.patterns,
        engine=engine,
        context=context,
        dialect=dialect,
        file=document.file,
    )
    return Project(
        spec=spec,
        env=around.env,
        slot=around.slot,
        namespace=namespace,
        environment=environments.effective_environment(spec, around.env),
        context=replace(context, namespace=namespace),
        engine=engine,
        dialect=dialect,
        files=files,
        document=document,
    )


_LATE_NAMES = (
    "Codex",
    "Storage",
    "Versions",
    "BaseDomain",
    "codex",
    "storage",
    "versions",
    "base_domain",
    "baseDomain",
)


def _with_late_hooks(project: Project, text: str, config: str) -> StackSpec:
    """The spec with its hooks rendered again where they may use what only the rendered file knows."""
    if "hooks:" not in text or not any(
        f"{mark}{name}" in text for name in _LATE_NAMES for mark in (".", " ", "(", "{")
    ):
        return project.spec
    later = render_document(text, config, project.engine, project.context)
    spec = validate(later, unknown_keys_are_errors=False).spec
    updates: dict[str, Any] = {"hooks": spec.hooks}
    for key in ("infrastructure", "services"):
        hooks = {item.name: item.hooks for item in getattr(spec, key)}
        updates[key] = tuple(item.but(hooks=hooks.get(item.name, item.hooks)) for item in getattr(project.spec, key))
    return project.spec.but(**updates)
