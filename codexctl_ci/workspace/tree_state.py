"""What is kept beside a tree of sources in the volume: how we left it, its ignore rules, whose it is."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from codexctl_ci.errors import CodexctlError
from codexctl_ci.slots.records import SourceTree
from codexctl_ci.workspace.manifest import Entry, Manifest, from_text, to_text


@dataclass(frozen=True, slots=True)
class Note:
    """What stands beside a tree. ``owner`` is the life of the slot, or the environment, that it was written for."""

    tree: SourceTree = field(default_factory=SourceTree)
    owner: str = ""


class TreeState(ABC):
    """The files beside a tree, however they are reached."""

    @abstractmethod
    def _get(self, name: str) -> bytes:
        """A file's bytes, empty where there is none."""

    @abstractmethod
    def _put(self, name: str, data: bytes) -> None:
        """Replace a file, whole or not at all."""

    @abstractmethod
    def __str__(self) -> str:
        """The tree as messages name it."""

    def known(self) -> dict[str, Entry]:
        """The tree as we wrote or published it last; empty where we never did."""
        data = self._get("manifest")
        if not data:
            return {}
        try:
            return from_text(gzip.decompress(data))
        except (ValueError, OSError, EOFError):
            raise CodexctlError(
                "what is known about the sources cannot be read",
                obj=f"the manifest beside {self}",
                hint="--discard-changes starts anew from the checkout",
            ) from None

    def remember(self, manifest: Manifest) -> None:
        """Record how the tree is, beside it."""
        self._put("manifest", gzip.compress(to_text(manifest), compresslevel=1, mtime=0))

    def note(self) -> Note:
        """What stands beside the tree."""
        data = self._get("tree")
        if not data:
            return Note()
        known = json.loads(data)
        return Note(SourceTree(known["base"], known["synced"], known["published"]), known.get("owner", ""))

    def put_note(self, note: Note) -> None:
        """Write it."""
        tree = note.tree
        known = {"base": tree.base, "synced": tree.synced, "published": tree.published, "owner": note.owner}
        self._put("tree", json.dumps(known).encode())

    def put_rules(self, rules: Mapping[str, bytes]) -> None:
        """Keep the base's .gitignore files beside the tree."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for path, content in sorted(rules.items()):
                info = tarfile.TarInfo(path)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        self._put("rules", stream.getvalue())

    def rules(self) -> dict[str, bytes]:
        """The base's .gitignore files."""
        data = self._get("rules")
        if not data:
            return {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            found = {}
            for info in archive:
                content = archive.extractfile(info)
                if content is not None:
                    found[info.name] = content.read()
            return found
