"""Namespaces, sites, inheritance."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError
from tests.support.projects import load

PATTERNS = """
    project: shop
    namespace:
      patterns:
        ai: "{{ project }}-slot-{{ slot }}"
        ai-staging: "{{ project }}-stage"
    """
GO_CONTROL = """
    # {{- $name := envOr "NAME" "shop" -}}
    # {{- $end := .Slot -}}
    project: shop
    namespace:
      patterns:
        ai: "{{ $name }}-x-{{ .Slot }}"
    """
GO_PATTERNS = (
    PATTERNS.replace("project }}", ".Project }}").replace("{{ project", "{{ .Project").replace("{{ slot", "{{ .Slot")
)


@pytest.mark.parametrize(
    ("services", "env", "slot", "namespace"),
    [
        ("project: shop", "dev", 0, "shop-dev"),
        ("project: shop", "ai-staging", 0, "shop-ai-staging"),
        ("project: shop", "ai", 3, "shop-dev-3"),
        ("project: shop", "ai-repair", 1, "shop-ai-staging"),
        ("project: shop\nenvironments: {production: {}}", "production", 0, "shop-production"),
        (PATTERNS, "ai", 4, "shop-slot-4"),
        (PATTERNS, "dev", 0, "shop-dev"),
        (PATTERNS, "ai-repair", 1, "shop-stage"),
        (GO_PATTERNS, "ai", 4, "shop-slot-4"),
        (GO_CONTROL, "ai", 4, "shop-x-4"),
        (GO_PATTERNS, "ai-repair", 1, "shop-ai-staging"),
    ],
)
def test_namespaces(tmp_path: Path, services: str, env: str, slot: int, namespace: str) -> None:
    project = load(tmp_path, services, env=env, slot=slot)
    assert project.namespace == namespace
    assert project.context.namespace == namespace
    assert project.namespace_for(env, slot) == namespace


@pytest.mark.parametrize("services", [PATTERNS, GO_PATTERNS])
def test_a_project_knows_the_namespaces_of_its_other_slots(tmp_path: Path, services: str) -> None:
    project = load(tmp_path, services, env="ai", slot=4)
    assert project.namespace_for("ai", 5) == "shop-slot-5"
    assert project.namespace_for("ai-staging", 0) == "shop-stage"
    assert project.namespace_for("dev", 0) == "shop-dev"


def test_the_namespace_option_wins_over_all(tmp_path: Path) -> None:
    project = load(tmp_path, PATTERNS, env="ai", slot=1, namespace="mine")
    assert (project.namespace, project.context.namespace) == ("mine", "mine")


@pytest.mark.parametrize("pattern", ["Shop", "-a", "a_b", "", "{{ env }}/x", "a" * 64])
def test_patterns_that_give_no_name_are_refused(tmp_path: Path, pattern: str) -> None:
    services = f"project: shop\nnamespace: {{patterns: {{dev: '{pattern or '{{ slot and 1 or  }}'}'}}}}\n"
    if not pattern:
        services = "project: shop\nnamespace: {patterns: {dev: '{% if slot %}x{% endif %}'}}\n"
    with pytest.raises(ConfigError, match="namespace"):
        load(tmp_path, services)


@pytest.mark.parametrize(
    ("env", "slot", "host"),
    [("dev", 0, "d.example"), ("ai", 3, "dev-3.a.example"), ("ai-staging", 0, ""), ("ai-repair", 1, "")],
)
def test_site_hosts_go_by_the_exact_name(tmp_path: Path, env: str, slot: int, host: str) -> None:
    services = (
        "project: shop\nbaseDomain: {dev: d.example, ai: a.example}\nenvironments: {ai-repair: {from: ai}, ai: {}}"
    )
    assert load(tmp_path, services, env=env, slot=slot).site_host == host


def test_an_environment_inherits_the_keys_it_lacks(tmp_path: Path) -> None:
    services = """
        project: shop
        environments:
          base: {kubeconfig: k, context: c, imagePullPolicy: Always, slotBootstrapInfra: [a]}
          middle: {from: base, context: m, localRegistry: {enabled: true, name: r, port: 5001}}
          ai: {from: middle, imagePullPolicy: Never, slotBootstrapInfra: []}
        infrastructure: [{name: a}]
        """
    found = load(tmp_path, services, env="ai", slot=1).environment
    assert (found.kubeconfig, found.context, found.image_pull_policy) == ("k", "m", "Never")
    assert found.slot_bootstrap_infra == ()
    assert found.local_registry and (found.local_registry.name, found.local_registry.port) == ("r", 5001)


def test_a_built_in_environment_need_not_be_declared(tmp_path: Path) -> None:
    assert load(tmp_path, "project: shop", env="ai-repair", slot=1).environment.image_pull_policy is None


def test_an_unknown_environment_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no environment 'prod'.*\n.*known: ai, ai-repair, ai-staging, dev, production"
    ):
        load(tmp_path, "project: shop\nenvironments: {production: {}}", env="prod")
