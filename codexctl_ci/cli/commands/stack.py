"""Commands that render the stack."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import ConfigError

log = logging.getLogger(__name__)


def render(inv: Invocation) -> None:
    """The stack's manifests on stdout as one YAML stream, or one file an object in --output-dir.

    On stdout the values of Secrets and the run's own secrets are masked; files hold them and are readable by their
    owner alone.
    """
    from codexctl_ci.cli.wiring.located import located
    from codexctl_ci.cli.wiring.project import selection_of
    from codexctl_ci.stack.masking import masked
    from codexctl_ci.stack.rendering import render as render_stack
    from codexctl_ci.stack.yaml_text import to_yaml

    project = located(inv)
    rendered = render_stack(project, selection_of(inv))
    for warning in rendered.warnings:
        log.warning("%s", warning)
    rows = "".join(f"| {layer.name} | {', '.join(item.name for item in layer.items)} |\n" for layer in rendered.layers)
    size = f"{len(rendered.manifests)} objects of `{project.env}` in `{project.namespace}`"
    inv.summary(f"### Rendered {project.name}\n\n{size}\n\n| layer | groups and services |\n|---|---|\n{rows}")
    folder = inv.settings[o.OUTPUT_DIR]
    if not folder:
        if any(manifest["kind"] == "Secret" for manifest in rendered.manifests):
            log.warning("the values of Secrets are masked here; --output-dir writes files that hold them")
        inv.print(to_yaml(_masked(masked(manifest), inv.redact) for manifest in rendered.manifests))
        return
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for number, manifest in enumerate(rendered.manifests, 1):
            name = f"{number:03d}-{manifest['kind']}-{manifest['metadata']['name']}.yaml".lower()
            place = target / name.replace("/", "-").replace(":", "-")
            place.touch(mode=0o600)
            place.chmod(0o600)
            place.write_text(to_yaml([manifest]), "utf-8")
    except OSError as error:
        raise ConfigError("--output-dir cannot be written", where=folder, reason=error.strerror or "") from None
    inv.print(f"{len(rendered.manifests)} objects of {project.env} in {project.namespace}: {target}")


def _masked(value: Any, redact: Callable[[str], str]) -> Any:
    """``value`` with secrets masked in its texts, so that what is printed stays YAML."""
    if isinstance(value, dict):
        return {key: _masked(item, redact) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, redact) for item in value]
    return redact(value) if isinstance(value, str) else value


def schema(inv: Invocation) -> None:
    """JSON Schema of services.yaml, for editors."""
    from importlib.resources import files

    inv.print(files("codexctl_ci.stack").joinpath("services.schema.json").read_text("utf-8"))


def status(inv: Invocation) -> None:
    """What of the stack is ready and what is not: object, ready or why not, age, image."""
    from codexctl_ci.cli.wiring.places import opened
    from codexctl_ci.cli.wiring.project import selection_of
    from codexctl_ci.operations.status import read_status
    from codexctl_ci.reporting import status_table
    from codexctl_ci.stack.objects import ref_of
    from codexctl_ci.stack.rendering import render as render_stack

    with opened(inv, "status", writes=False) as place:
        rendered = render_stack(place.project, selection_of(inv), namespaced=place.server.namespaced)
        rows = read_status(place.cluster, map(ref_of, rendered.manifests))
    inv.print(status_table.as_json(rows) if inv.settings[o.OUTPUT] == "json" else status_table.as_table(rows))
