"""A first services.yaml, with comments, from the components that were found."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from codexctl_ci import REPOSITORY
from codexctl_ci.adoption.components import Component, stateful_port
from codexctl_ci.adoption.draft_manifests import secret_value
from codexctl_ci.adoption.values import inline, is_secret, scalar

_SITE_NAMES = ("web", "frontend", "front", "ui", "site", "app", "nginx", "caddy", "proxy", "gateway")
_TAG = "{{ env }}-{{ slot }}-{{ trunc_sha(envOr('GITHUB_SHA', 'local')) }}"


def site_of(components: Sequence[Component]) -> str:
    """The name of the component that people open in a browser; empty where none has a port."""
    candidates = [c for c in components if c.ports and _group(c, "") != "stateful"]
    ranked = sorted(
        candidates,
        key=lambda c: (
            not c.published,
            _SITE_NAMES.index(c.name) if c.name in _SITE_NAMES else len(_SITE_NAMES),
            not c.dockerfile,
        ),
    )
    return ranked[0].name if ranked else ""


def services_yaml(project: str, components: Sequence[Component]) -> str:
    """The text of services.yaml. It loads and renders as it is."""
    site = site_of(components)
    lines = [
        f"# yaml-language-server: $schema=https://raw.githubusercontent.com/{REPOSITORY}/main/"
        "codexctl_ci/stack/services.schema.json",
        "#",
        "# The whole stack of this project. `codexctl-ci render --env ai --slot 1` shows what comes of it.",
        f"project: {json.dumps(project)}",
        "",
        "# Where images are pushed to and pulled from.",
        "registry: \"{{ envOr('CODEXCTL_REGISTRY_HOST', 'localhost:32000') }}\"",
        "",
        "# Values for yourself, NAME=value a line, in a file that git ignores (workflows have secrets and variables):",
        "# envFiles: [.env]",
        "",
        "# At most so many issues are worked on at once; more wait in line. Have two runners more than that.",
        "maxSlots: 3",
        "",
        "# Environment to the host of its site. A slot's site is dev-<slot>.<baseDomain.ai>.",
        "baseDomain:",
        *_domain("dev", "DEV", f"dev.{project}.localhost"),
        *_domain("ai-staging", "AI_STAGING", f"staging.{project}.localhost"),
        *_domain("ai", "AI", f"{project}.localhost"),
        *_domain("ai-repair", "AI_STAGING", f"staging.{project}.localhost"),
        "",
        "# Volumes; without a class the cluster's default is taken.",
        "storage:",
        "  workspace:",
        "    size: 5Gi",
        "    storageClass: \"{{ envOr('CODEXCTL_STORAGE_CLASS_WORKSPACE', '') }}\"",
        "    accessModes: [ReadWriteOnce]",
        "  data:",
        "    size: 1Gi",
        "    storageClass: \"{{ envOr('CODEXCTL_STORAGE_CLASS_DATA', '') }}\"",
        "",
        *_images(components),
        "",
        "# Groups come before services.",
        "infrastructure:",
        "  - name: workspace",
        "    manifests: [{path: deploy/workspace.yaml}]",
        "",
        "# Deployed by group (stateful, migrations, internal, edge, frontend), each waiting for the one before it.",
        "services:",
    ]
    for component in components:
        lines += _service(component, components, site)
    lines += [
        "  # Where the agent works: a pod that sleeps beside the stack, with the slot's sources in /workspace.",
        "  - name: codex",
        "    deployGroup: internal",
        "    when: \"{{ env in ['ai', 'ai-repair'] }}\"",
        '    image: {repository: "{{ registry }}/{{ project }}/codex", tagTemplate: latest}',
        "    manifests: [{path: deploy/codex.yaml}]",
        "",
        "codex:",
        "  # What the agent should know of this project; AGENTS.md in the repository is read too.",
        "  projectContext: |",
        "    Say here how the tests are run, and what must not be changed.",
        "  servicesOverview: |",
        *(_overview(components) or ["    No services yet."]),
        "  configBlocks:",
        "    - {name: model, file: deploy/model.toml}",
    ]
    return "\n".join(lines) + "\n"


def _domain(env: str, variable: str, default: str) -> list[str]:
    return [f"  {env}: \"{{{{ envOr('CODEXCTL_BASE_DOMAIN_{variable}', '{default}') }}}}\""]


def _images(components: Sequence[Component]) -> list[str]:
    lines = ["# Mirrored by digest, or built when something that goes into them has changed.", "images:"]
    for component in components:
        lines.append(f"  {component.name}:")
        if component.dockerfile:
            lines += [
                f"    # From {component.source}.",
                "    type: build",
                f'    repository: "{{{{ registry }}}}/{{{{ project }}}}/{component.name}"',
                f'    tagTemplate: "{_TAG}"',
                f"    dockerfile: {json.dumps(component.dockerfile)}",
                f"    context: {json.dumps(component.context)}",
                *_build_args(component),
            ]
        else:
            _, tag = split_tag(component.image)
            lines += [
                "    type: external",
                f'    from: "{inline(full_reference(component.image))}"',
                f'    local: "{{{{ registry }}}}/{{{{ project }}}}/{component.name}:{inline(tag)}"',
            ]
    return [
        *lines,
        "  codex:",
        "    type: external",
        "    # git, bash, and codex or npx; with the tools that your tests need it can be an image of your own.",
        "    from: \"{{ envOr('CODEX_IMAGE', 'ghcr.io/openai/codex-universal:latest') }}\"",
        '    local: "{{ registry }}/{{ project }}/codex:latest"',
    ]


def _build_args(component: Component) -> list[str]:
    given = {n: secret_value(n, v) if is_secret(n, v) else v for n, v in component.build_args.items()}
    lines = [f"      {json.dumps(name)}: {scalar(value)}" for name, value in given.items()]
    return ["    buildArgs:", *lines] if lines else []


def split_tag(image: str) -> tuple[str, str]:
    """Repository and tag of an image as compose names it; a digest gives the tag ``pinned``."""
    name, digest, _ = image.partition("@")
    # ${TAG:-16} has a colon of its own, and so has a registry's port.
    masked = re.sub(r"\$\{[^}]*\}", lambda found: "_" * len(found[0]), name)
    colon = masked.rfind(":")
    if colon > masked.rfind("/"):
        return name[:colon], name[colon + 1 :]
    return name, "pinned" if digest else "latest"


def full_reference(image: str) -> str:
    """``image`` with its registry and tag written out."""
    name, _, digest = image.partition("@")
    repository, tag = split_tag(name)
    host, slash, _ = repository.partition("/")
    if not slash:
        repository = f"docker.io/library/{repository}"
    elif not ("." in host or ":" in host or host == "localhost" or "${" in host):
        repository = f"docker.io/{repository}"
    return f"{repository}@{digest}" if digest else f"{repository}:{tag}"


def _service(component: Component, components: Sequence[Component], site: str) -> list[str]:
    group = _group(component, site)
    groups = {other.name: _group(other, site) for other in components}
    # What is in an earlier group comes before anyway.
    needs = [name for name in component.depends_on if groups.get(name) == group and name != component.name]
    tag = inline(split_tag(component.image)[1]) if component.image else _TAG
    lines = [
        f"  - name: {component.name}",
        f"    deployGroup: {group}",
        "    image:",
        f'      repository: "{{{{ registry }}}}/{{{{ project }}}}/{component.name}"',
        f'      tagTemplate: "{tag}"',
        f"    manifests: [{{path: deploy/{component.name}.yaml}}]",
    ]
    if needs:
        lines.append(f"    dependsOn: [{', '.join(needs)}]")
    if component.name == site:
        lines += [
            "    ingress:",
            "      hosts:",
            '        dev: "{{ base_domain.dev }}"',
            "        ai-staging: \"{{ base_domain['ai-staging'] }}\"",
            '        ai: "dev-{{ slot }}.{{ base_domain.ai }}"',
        ]
    return lines


def _group(component: Component, site: str) -> str:
    if stateful_port(component.image):
        return "stateful"
    return "frontend" if component.name == site else "internal"


def _overview(components: Sequence[Component]) -> list[str]:
    return [f"    {c.name}{f':{c.ports[0]}' if c.ports else ''}  {c.image or c.dockerfile}" for c in components]
