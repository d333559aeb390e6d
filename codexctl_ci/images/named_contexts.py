"""Named build contexts for a builder that has none: folders and images become stages of the Dockerfile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.context import files_of, ignore_of
from codexctl_ci.images.recipes import inside
from codexctl_ci.stack.images import BuiltImage

FOLDER = ".codexctl-contexts"
_IMAGE = "docker-image://"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the builder finds context and Dockerfile."""

    context: Path
    dockerfile: Path


def with_stages(text: str, contexts: Mapping[str, str]) -> str:
    """The Dockerfile ``text`` with a stage before its first one for each named context.

    ``contexts`` maps names to ``docker-image://…`` or to anything else, for a folder that lies in the context as
    ``.codexctl-contexts/<name>``. Directives and arguments before the first FROM stay where they are.
    """
    stages: list[str] = []
    for name, value in contexts.items():
        if value.startswith(_IMAGE):
            stages.append(f"FROM {value.removeprefix(_IMAGE)} AS {name}")
        else:
            stages += [f"FROM scratch AS {name}", f"COPY {FOLDER}/{name}/ /"]
    lines = text.splitlines()
    first = next((at for at, line in enumerate(lines) if line.strip()[:5].upper() in ("FROM ", "FROM\t")), None)
    if first is None:
        raise ConfigError("the Dockerfile has no FROM")
    return "\n".join([*lines[:first], *stages, *lines[first:], ""])


@contextmanager
def staged(root: Path, context: Path, dockerfile: Path, image: BuiltImage) -> Iterator[Place]:
    """Context and Dockerfile for the builder; a copy with the named contexts in it where ``image`` has some.

    The copy lies beside the project and is gone afterwards.
    """
    if not image.build_contexts:
        yield Place(context, dockerfile)
        return
    above = root.parent if os.access(root.parent, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".codexctl-build-", dir=above) as folder:
        place = Path(folder, "context")
        _copy(context, dockerfile, place)
        for name, value in image.build_contexts.items():
            if not value.startswith(_IMAGE):
                source = inside(root, value, f"image {image.name}")
                _copy(source, source / "Dockerfile", place / FOLDER / name)
        # What is left out has been left out already.
        (place / ".dockerignore").unlink(missing_ok=True)
        written = Path(folder, "Dockerfile")
        written.write_text(with_stages(dockerfile.read_text(encoding="utf-8"), image.build_contexts), encoding="utf-8")
        yield Place(place, written)


def _copy(source: Path, dockerfile: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path, entry in files_of(source, ignore_of(source, dockerfile)):
        place = target / path
        if entry.is_dir(follow_symlinks=False):
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(entry.path, place, follow_symlinks=False)
