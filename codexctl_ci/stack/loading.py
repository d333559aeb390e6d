"""Reading services.yaml: its header as written, the whole as a template, then every check there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from codexctl_ci.errors import ConfigError, Finding, InvalidStack
from codexctl_ci.stack import environments
from codexctl_ci.stack.document import Document, render_document
from codexctl_ci.stack.file_context import file_context
from codexctl_ci.stack.files import ProjectFiles
from codexctl_ci.stack.header import Header, read_header
from codexctl_ci.stack.project import Project, Surroundings
from codexctl_ci.stack.references import check_made, check_references
from codexctl_ci.stack.rendering import manifest_faults
from codexctl_ci.stack.schema import StackSpec
from codexctl_ci.stack.template_faults import finding_of, render_what_can_be
from codexctl_ci.stack.template_view import codex_view, storage_view
from codexctl_ci.stack.validation import validate
from codexctl_ci.stack.variables import TEAM_SECRETS, asked_names, parse_dotenv
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect, detect
from codexctl_ci.templating.engine import Engine, make_engine
from codexctl_ci.templating.errors import TemplateError


def load_project(files: ProjectFiles, config: str, around: Surroundings) -> Project:
    """Read ``config`` (a path below the root of ``files``).

    Raises InvalidStack with all faults of the file and of the manifests it names, TemplateError where a template of the
    file that can't be rendered is the only one, ConfigError for an
    unknown environment.
    """
    text = files.read(config)
    header = read_header(text)
    dialect = _dialect(text, header, files, config)
    warnings: list[Finding] = []
    asked = asked_names(text) | (TEAM_SECRETS if dialect is Dialect.GO else frozenset())
    env_map = around.inputs.env_map(_env_files(header, files, warnings), asked)
    engine = make_engine(dialect, partials=_partials(header, files, around.alone), env=env_map, now=around.now)
    context = file_context(header, around, env_map, engine, dialect, config)
    failed: list[TemplateError] = []
    document = render_what_can_be(text, config, lambda some: render_document(some, config, engine, context), failed)
    lenient = dialect is Dialect.GO and not around.strict
    checked = validate(document, unknown_keys_are_errors=not lenient)
    errors = list(checked.errors)
    warnings += checked.warnings
    spec = checked.spec
    errors += check_references(spec, document)
    (warnings if lenient else errors).extend(check_made(spec, document))
    # What stands in for a template that failed is nobody's fault.
    errors = [*map(finding_of, failed), *(one for one in errors if one.line not in {error.line for error in failed})]
    if around.env not in (*environments.BUILT_IN, *spec.environments) and errors:
        raise InvalidStack(_sorted(errors))
    # As written, since each slot needs the pattern itself and not what it gave for this one.
    patterns = {**spec.namespace.patterns, **header.patterns}
    spec = spec.but(namespace=spec.namespace.but(patterns=patterns))
    try:
        project = _assemble(spec, document, context, engine, dialect, files, around)
    except TemplateError as error:
        # The pattern of a namespace, which stands among the faults already.
        if failed and len(errors) == 1:
            raise failed[0] from None
        raise (InvalidStack(_sorted(errors)) if errors else error) from None
    if errors:
        # Where templates lack what is at fault here, what they say of it would only repeat it.
        errors += manifest_faults(project, templates=checked.context_is_whole)
        if failed and len(errors) == 1:
            raise failed[0]
        raise InvalidStack(_sorted(errors))
    project = replace(project, spec=_with_late_hooks(project, text, config), warnings=tuple(_sorted(warnings)))
    return project


def _sorted(findings: list[Finding]) -> list[Finding]:
    """In the order of the file, then manifest by manifest."""
    first = findings[0].file if findings else ""
    return sorted(findings, key=lambda one: (one.file != first, one.file, one.line, one.column))


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
