"""What the project's builds are made from, read from its files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.content_key import Ingredients, content_key, tag_of
from codexctl_ci.images.context import hash_context, ignore_of
from codexctl_ci.images.dockerfile import base_images
from codexctl_ci.stack.images import BuiltImage

_IMAGE = "docker-image://"


class Recipes:
    """Implements ``ports.BuildRecipes`` for the files below ``root``. Each folder is hashed once.

    ``is_secret`` says of a build argument (name, value) that nobody may learn it from the key.
    """

    def __init__(self, root: Path, platform: str, builder: str, is_secret: Callable[[str, str], bool]) -> None:
        self._root = root
        self._platform = platform
        self._builder = builder
        self._is_secret = is_secret
        self._hashes: dict[tuple[Path, Path], str] = {}
        self._lock = threading.Lock()

    def bases(self, image: BuiltImage) -> list[str]:
        named = {
            value.removeprefix(_IMAGE): None for value in image.build_contexts.values() if value.startswith(_IMAGE)
        }
        found = base_images(self.dockerfile(image), image.build_args, frozenset(image.build_contexts))
        return list(named | dict.fromkeys(found))

    def key(self, image: BuiltImage, bases: Mapping[str, str]) -> str:
        contexts = {
            name: bases[value.removeprefix(_IMAGE)] if value.startswith(_IMAGE) else self._hash(image, value)
            for name, value in image.build_contexts.items()
        }
        secret = frozenset(name for name, value in image.build_args.items() if self._is_secret(name, value))
        return tag_of(
            content_key(
                Ingredients(
                    context=self._hash(image, image.context),
                    dockerfile=self.dockerfile(image),
                    arguments=image.build_args,
                    secret_arguments=secret,
                    contexts=contexts,
                    bases=bases,
                    platform=self._platform,
                    builder=self._builder,
                )
            )
        )

    def dockerfile(self, image: BuiltImage) -> str:
        """Its text."""
        path = inside(self._root, image.dockerfile, f"image {image.name}")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "its Dockerfile cannot be read", obj=f"image {image.name}", reason=f"{path}: {type(error).__name__}"
            ) from None

    def _hash(self, image: BuiltImage, folder: str) -> str:
        context = inside(self._root, folder, f"image {image.name}")
        dockerfile = inside(self._root, image.dockerfile, f"image {image.name}")
        own = dockerfile if folder == image.context else context / "Dockerfile"
        with self._lock:
            key = (context, own)
            if key not in self._hashes:
                self._hashes[key] = hash_context(context, ignore_of(context, own))
            return self._hashes[key]


def inside(root: Path, path: str, obj: str) -> Path:
    """``path`` below ``root``. Raises ConfigError where it leads out of it."""
    if "://" in path:
        raise ConfigError(f"{path} is no folder of the project", obj=obj, hint="name a folder, or docker-image://…")
    found = (root / path).resolve()
    if not found.is_relative_to(root.resolve()):
        raise ConfigError(f"{path} is outside of the project", obj=obj, hint="contexts lie below the project's root")
    return found
