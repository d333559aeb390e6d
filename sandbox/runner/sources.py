"""What act runs from: a clone of the project, and folders that stand for the repositories its `uses:` name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

_USES = re.compile(
    r"^\s*(?:-\s+)?uses:\s*['\"]?(?P<repo>[\w.-]+/[\w.-]+)(?:/[^@\s'\"]*)?@(?P<ref>[^\s'\"#]+)", re.MULTILINE
)
STAND_INS = Path(__file__).parent / "actions"


class SourcesMissing(RuntimeError):
    """A clone or a copy could not be made."""


def git(folder: Path, *arguments: str, header: str | None = None) -> str:
    """Run git in a folder; `header` is an HTTP header, kept out of the command line."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if header is not None:
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraheader",
            "GIT_CONFIG_VALUE_0": header,
        }
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SourcesMissing(f"git {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def clone(url: str, ref: str, sha: str | None, branch: str, folder: Path, header: str) -> str:
    """Make a clone with one commit, checked out on `branch`; return the commit.

    `ref` is what is fetched; where `sha` is given the commit must still be there and is used instead.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "-q", f"--initial-branch={branch}")
    git(folder, "remote", "add", "origin", url)
    git(folder, "fetch", "-q", "--depth", "1", "origin", sha or ref, header=header)
    git(folder, "checkout", "-q", "-B", branch, "FETCH_HEAD")
    return git(folder, "rev-parse", "HEAD").strip()


def snapshot(source: Path, target: Path) -> None:
    """Copy a working tree without what git ignores, so that act doesn't copy environments and caches."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        skipped = shutil.ignore_patterns(".git", ".venv", "build", "dist", "__pycache__", ".*_cache")
        shutil.copytree(source, target, symlinks=True, ignore=skipped)
        return
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (source / name).is_file():
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, place, follow_symlinks=False)


def stand_ins() -> dict[str, Path]:
    """Return the folders that stand for other people's actions, by `owner/name`."""
    return {f"{path.parent.name}/{path.name}": path for path in STAND_INS.glob("*/*") if path.is_dir()}


def used(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (`owner/name`, ref) of every `uses:` in a tree's workflows and actions."""
    places = [
        *(folder / ".github" / "workflows").glob("*.y*ml"),
        *folder.glob("action.y*ml"),
        *folder.glob("actions/**/action.y*ml"),
        *folder.glob(".github/actions/**/action.y*ml"),
    ]
    for path in places:
        for found in _USES.finditer(path.read_text()):
            yield found["repo"], found["ref"]


def local_repositories(project: Path, folders: Mapping[str, Path]) -> list[str]:
    """Return act's `--local-repository` values for everything that the project's workflows use, at any ref.

    What the used repositories use themselves is included.
    """
    mapped: dict[str, Path] = {}
    waiting, seen = [project], {project}
    while waiting:
        for name, ref in used(waiting.pop()):
            target = folders.get(name)
            if target is None:
                continue
            mapped[f"{name}@{ref}"] = target
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return [f"{name}={target}" for name, target in sorted(mapped.items())]
