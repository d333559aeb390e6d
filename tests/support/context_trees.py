"""Build contexts with rules of ``.dockerignore``, made by chance, and what buildah takes of them."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codexctl_ci.images.context import files_of
from codexctl_ci.images.dockerignore import Ignore

_NAMES = ["a", "b", "foo", "bar", "x.go", "y.js", ".env", "src", "lib", "a-b", "[x]", "a b", "f-oo"]


@dataclass(frozen=True)
class Tree:
    """Paths of files, and the text of ``.dockerignore``."""

    files: tuple[str, ...]
    rules: str


def trees(seed: int) -> Iterator[Tree]:
    """Without end; the same for the same seed."""
    chance = random.Random(seed)
    while True:
        files = tuple(_fill(chance, "", 0))
        yield Tree(files, "".join(_rule(chance, files) + "\n" for _ in range(chance.randint(1, 5))))


def _fill(chance: random.Random, folder: str, depth: int) -> Iterator[str]:
    for name in chance.sample(_NAMES, chance.randint(1, 4)):
        if depth < 3 and "." not in name and chance.random() < 0.6:
            yield from _fill(chance, f"{folder}{name}/", depth + 1)
        else:
            yield folder + name


def _rule(chance: random.Random, files: tuple[str, ...]) -> str:
    parts = chance.choice(files).split("/")
    parts = parts[: chance.randint(1, len(parts))]
    if chance.random() < 0.3:
        # buildah 1.28 does not look into folders that are left out for names with a wildcard above the last part.
        *above, last = parts
        return "!" + "/".join([*above, chance.choice([last, "*", "*" + last[-1:], "?" * len(last), last + "/"])])
    pattern = "/".join(_part(chance, part) for part in parts)
    return f"{chance.choice(['', '', '', '', '/', './', '**/'])}{pattern}{chance.choice(['', '', '', '/', '/**'])}"


def _part(chance: random.Random, part: str) -> str:
    disguises = ["*", "**", "*" + part[-1], "?" * len(part), f"[{part[0] if part[0].isalnum() else 'a'}-z]*"]
    disguises += ["[^a]" + part[1:], part[0] + "**" + part[1:], "**" + part]
    escaped = "".join("\\" + sign if sign in "[].-" else sign for sign in part)
    return chance.choice([part, part, part, escaped, chance.choice(disguises), chance.choice(disguises)])


class Buildah:
    """One empty container, into which contexts are copied side by side."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._options = ["--root", f"{root}/storage", "--runroot", f"{root}/run", "--storage-driver", "vfs"]
        self._container = self._run("from", "scratch")
        self._mounted = Path(self._run("mount", self._container))
        self._count = 0

    def differs(self, tree: Tree) -> str:
        """What we and buildah would not both take of it, empty where we agree."""
        self._count += 1
        context = self._root / f"context{self._count}"
        for file in tree.files:
            (context / file).parent.mkdir(parents=True, exist_ok=True)
            (context / file).write_text("x")
        rules = self._root / f"rules{self._count}"
        rules.write_text(tree.rules)
        ours = {path for path, entry in files_of(context, Ignore(tree.rules)) if entry.is_file()}
        place = ["--contextdir", str(context), "--ignorefile", str(rules)]
        self._run("copy", "--quiet", *place, self._container, str(context), f"/{self._count}")
        taken = self._mounted / str(self._count)
        theirs = {str(path.relative_to(taken)) for path in taken.rglob("*") if path.is_file()}
        return (
            "" if ours == theirs else f"{tree.rules!r}: {sorted(ours - theirs)} only we, {sorted(theirs - ours)} not we"
        )

    def _run(self, *words: str) -> str:
        argv = ["buildah", *self._options, *words]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def close(self) -> None:
        """Forget the container."""
        self._run("rm", self._container)


@contextmanager
def running_buildah(root: Path) -> Iterator[Buildah]:
    """``root`` is an empty folder of its own."""
    buildah = Buildah(root)
    try:
        yield buildah
    finally:
        buildah.close()
