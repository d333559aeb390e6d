"""Projects written into a folder for one test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

from codexctl_ci.stack.loading import load_project
from codexctl_ci.stack.project import Project, Surroundings
from codexctl_ci.stack.variables import Inputs
from codexctl_ci.workspace.files import ProjectFolder

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` (path to text, dedented) below ``folder`` and return it."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(dedent(text).lstrip("\n"), "utf-8")
    return folder


def load(
    folder: Path,
    services: str = "",
    *,
    env: str = "dev",
    slot: int = 0,
    inputs: Inputs | None = None,
    strict: bool = False,
    namespace: str = "",
    **files: str,
) -> Project:
    """The project in ``folder``, after ``services`` and ``files`` were written there (``api.yaml`` as ``api_yaml``)."""
    if services:
        write_files(folder, {"services.yaml": services})
    write_files(folder, {name.replace("_yaml", ".yaml"): text for name, text in files.items()})
    return open_folder(folder, env=env, slot=slot, inputs=inputs, strict=strict, namespace=namespace)


def open_folder(
    folder: Path,
    *,
    env: str = "dev",
    slot: int = 0,
    inputs: Inputs | None = None,
    strict: bool = False,
    namespace: str = "",
) -> Project:
    """The project in ``folder``, as it is."""
    around = Surroundings(
        env=env, now=NOW, slot=slot, namespace=namespace, root="/project", inputs=inputs or Inputs(), strict=strict
    )
    return load_project(ProjectFolder(folder), "services.yaml", around)
