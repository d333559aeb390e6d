"""Commands that render the stack."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import ConfigError


def render(inv: Invocation) -> None:
    """The stack's manifests on stdout as one YAML stream, or one file an object in --output-dir.

    On stdout the run's own secrets are masked; files hold them and are readable by their owner alone.
    """
    from codexctl_ci.cli.wiring.project import open_project, selection_of
    from codexctl_ci.stack.rendering import render as render_stack
    from codexctl_ci.stack.yaml_text import to_yaml

    project = open_project(inv)
    rendered = render_stack(project, selection_of(inv))
    folder = inv.settings[o.OUTPUT_DIR]
    if not folder:
        inv.print(to_yaml(rendered.manifests))
        return
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for number, manifest in enumerate(rendered.manifests, 1):
            name = f"{number:03d}-{manifest['kind']}-{manifest['metadata']['name']}.yaml".lower()
            place = target / name.replace("/", "-").replace(":", "-")
            place.touch(mode=0o600)
            place.write_text(to_yaml([manifest]), "utf-8")
    except OSError as error:
        raise ConfigError("--output-dir cannot be written", where=folder, reason=error.strerror or "") from None
    inv.print(f"{len(rendered.manifests)} objects of {project.env} in {project.namespace}: {target}")


def schema(inv: Invocation) -> None:
    """JSON Schema of services.yaml, for editors."""
    inv.print(files("codexctl_ci.stack").joinpath("services.schema.json").read_text("utf-8"))
