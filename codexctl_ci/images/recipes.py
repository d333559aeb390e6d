"""What the project's builds are made from, read from its files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.content_key import Ingredients, content_key, tag_of
from codexctl_ci.images.context import describe_context, hash_of, ignore_of
from codexctl_ci.images.dockerfile import base_images
from codexctl_ci.images.file_hashes import FileHashes
from codexctl_ci.stack.images import BuiltImage
from codexctl_ci.stack.made_of import SECRET

_IMAGE = "docker-image://"


class Recipes:
    """Implements ``ports.BuildRecipes`` for the files below ``root``. Each folder is hashed once.

    ``is_secret`` says of a build argument (name, value) that nobody may learn it from the key. ``hashes`` remembers
    what files hold, ``revision`` tells the commit that they come from.
    """

    def __init__(
        self,
        root: Path,
        platform: str,
        builder: str,
        is_secret: Callable[[str, str], bool],
        hashes: FileHashes | None = None,
        revision: Callable[[], str] = lambda: "",
    ) -> None:
        self._root = root
        self._platform = platform
        self._builder = builder
        self._is_secret = is_secret
        self._hashes = hashes or FileHashes()
        self.revision = revision
        self._folders: dict[tuple[Path, Path], tuple[str, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def bases(self, image: BuiltImage) -> list[str]:
        named = {
            value.removeprefix(_IMAGE): None for value in image.build_contexts.values() if value.startswith(_IMAGE)
        }
        found = base_images(self.dockerfile(image), image.build_args, frozenset(image.build_contexts))
        return list(named | dict.fromkeys(found))

    def key(self, image: BuiltImage, bases: Mapping[str, str]) -> str:
        return tag_of(content_key(self._ingredients(image, bases)))

    def parts(self, image: BuiltImage, bases: Mapping[str, str]) -> dict[str, str]:
        made = self._ingredients(image, bases)
        found = {"platform": made.platform, "builder": made.builder}
        for name, value in image.build_args.items():
            # Who reads the image reads this: so little of a hash that guessing values against it tells nothing.
            found[f"argument {name}"] = SECRET if name in made.secret_arguments else _hash(value)[:4]
        found |= {f"base {name}": digest.rpartition(":")[2][:12] for name, digest in bases.items()}
        folders = [image.context, *(value for value in image.build_contexts.values() if not value.startswith(_IMAGE))]
        for folder in folders:
            for path, description in self._folder(image, folder)[1].items():
                found[f"file {PurePosixPath(folder, path)}"] = _hash(description)[:8]
        found.setdefault(f"file {PurePosixPath(image.dockerfile)}", _hash(made.dockerfile)[:8])
        return found

    def _ingredients(self, image: BuiltImage, bases: Mapping[str, str]) -> Ingredients:
        contexts = {
            name: bases[value.removeprefix(_IMAGE)] if value.startswith(_IMAGE) else self._folder(image, value)[0]
            for name, value in image.build_contexts.items()
        }
        return Ingredients(
            context=self._folder(image, image.context)[0],
            dockerfile=self.dockerfile(image),
            arguments=image.build_args,
            secret_arguments=frozenset(
                name for name, value in image.build_args.items() if self._is_secret(name, value)
            ),
            contexts=contexts,
            bases=bases,
            platform=self._platform,
            builder=self._builder,
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

    def _folder(self, image: BuiltImage, folder: str) -> tuple[str, dict[str, str]]:
        context = inside(self._root, folder, f"image {image.name}")
        dockerfile = inside(self._root, image.dockerfile, f"image {image.name}")
        if not context.is_dir():
            raise ConfigError(
                "its build context is no folder",
                obj=f"image {image.name}",
                reason=str(context),
                hint="check `context` and `buildContexts` in services.yaml",
            )
        own = dockerfile if folder == image.context else context / "Dockerfile"
        with self._lock:
            key = (context, own)
            if key not in self._folders:
                files = describe_context(context, ignore_of(context, own), self._hashes)
                self._folders[key] = (hash_of(files), files)
                self._hashes.save()
            return self._folders[key]


def _hash(text: str) -> str:
    return sha256(os.fsencode(text)).hexdigest()


def inside(root: Path, path: str, obj: str) -> Path:
    """``path`` below ``root``. Raises ConfigError where it leads out of it."""
    if "://" in path:
        raise ConfigError(f"{path} is no folder of the project", obj=obj, hint="name a folder, or docker-image://…")
    found = (root / path).resolve()
    if not found.is_relative_to(root.resolve()):
        raise ConfigError(f"{path} is outside of the project", obj=obj, hint="contexts lie below the project's root")
    return found
