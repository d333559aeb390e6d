"""What the templates of services.yaml itself see."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from codexctl_ci.stack import environments
from codexctl_ci.stack.header import Header
from codexctl_ci.stack.project import Surroundings
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.engine import Engine
from codexctl_ci.templating.errors import TemplateError


def file_context(
    header: Header, around: Surroundings, env_map: Mapping[str, str], engine: Engine, dialect: Dialect, config: str
) -> TemplateContext:
    """What services.yaml itself sees: no ``codex`` and ``storage`` yet, and its header as written.

    In the Jinja dialect templates inside the header's values are rendered first, one by one. Those that fail stay as
    they are: the file as a whole will fail at the same place, and knows its line.
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
    namespace = around.namespace
    with suppress(TemplateError):
        namespace = namespace or environments.namespace_of(
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
    found = dict(values)
    for key, value in values.items():
        if "{" in value:
            with suppress(TemplateError):
                found[key] = engine.render(value, context, file=file)
    return found
