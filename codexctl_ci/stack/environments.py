"""Environments: what they inherit, their namespaces and their sites."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.schema import EnvironmentSpec, StackSpec
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.engine import Engine

SLOT_ENVIRONMENT = "ai"
REPAIR, STAGING = "ai-repair", "ai-staging"
BUILT_IN = ("dev", STAGING, SLOT_ENVIRONMENT, REPAIR)

_LONGEST_NAME = 63


def effective_environment(spec: StackSpec, name: str) -> EnvironmentSpec:
    """The environment ``name`` with the keys it inherits by ``from``; empty for a built-in one that isn't declared.

    Raises ConfigError where ``name`` is neither declared nor built in.
    """
    if name not in spec.environments:
        known = sorted({*BUILT_IN, *spec.environments})
        if name not in BUILT_IN:
            raise ConfigError(f"there is no environment {name!r}", hint=f"known: {', '.join(known)}")
        return EnvironmentSpec()
    values: dict[str, object] = {}
    seen: set[str] = set()
    current: str | None = name
    while current and current in spec.environments and current not in seen:
        seen.add(current)
        environment = spec.environments[current]
        for row in EnvironmentSpec.keys().values():
            if values.get(row.attribute) is None:
                values[row.attribute] = getattr(environment, row.attribute)
        current = environment.from_
    return EnvironmentSpec(**values)  # type: ignore[arg-type]


def is_label(name: str) -> bool:
    """Whether ``name`` is a label of RFC 1123, as namespaces are named, but for its length."""
    return re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) is not None


def namespace_of(
    env: str,
    slot: int,
    *,
    patterns: Mapping[str, str],
    engine: Engine,
    context: TemplateContext,
    dialect: Dialect,
    file: str,
) -> str:
    """The namespace of an environment, from its pattern or by default.

    Raises ConfigError where a pattern renders to no name that Kubernetes accepts.
    """
    pattern = patterns.get(env)
    if not pattern and env == REPAIR and dialect is not Dialect.GO:
        # A repair works in staging's namespace, whatever that is called.
        pattern = patterns.get(STAGING)
    if not pattern:
        return _default(env, slot, context.project)
    name = engine.render(pattern, replace(context, env=env, slot=slot, namespace=""), file=file).strip()
    if not is_label(name):
        raise ConfigError(f"the pattern of {env} gives {name!r}, which is no name of a namespace", where=file)
    if len(name) > _LONGEST_NAME:
        raise ConfigError(f"namespace {name!r} is longer than {_LONGEST_NAME} characters", where=file)
    return name


def _default(env: str, slot: int, project: str) -> str:
    if env == SLOT_ENVIRONMENT:
        return f"{project}-dev-{slot}"
    return f"{project}-{STAGING if env == REPAIR else env}"


def site_host(env: str, slot: int, base_domain: Mapping[str, str]) -> str:
    """The host of the environment's site, empty where it has no domain."""
    domain = base_domain.get(env, "")
    return f"dev-{slot}.{domain}" if domain and env == SLOT_ENVIRONMENT else domain
