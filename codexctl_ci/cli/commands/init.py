"""The command that writes a project's first files."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation

_PLAIN_BRANCH = re.compile(r"[A-Za-z][\w./-]*")
_REMOTE = re.compile(r"[/:]([^/:]+?)(?:\.git)?/?$")


def init(inv: Invocation) -> None:
    """``init``: services.yaml and manifests from Dockerfiles and compose file, the wrappers, a checklist. What is there
    stays as it is; says of each file whether it was written."""
    from codexctl_ci.adoption.first_files import discover, repository_files, stack_files, wanted
    from codexctl_ci.workspace.new_files import add, texts

    config = inv.settings[o.CONFIG]
    folder = config.resolve().parent
    # services.yaml may lie below the repository's root.
    root = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
    has_stack = config.exists()
    found = discover(_name_of(root), texts(folder, wanted))
    dry = inv.settings[o.DRY_RUN]
    below = folder.relative_to(root).as_posix()
    written = {} if has_stack else add(folder, stack_files(found, config.name), dry_run=dry)
    at_root = repository_files(
        found, services=config.name, has_stack=has_stack, below=below, branch=_default_branch(root)
    )
    written |= add(root, at_root, dry_run=dry)

    words = {True: "would write" if dry else "written", False: "is there, kept"}
    lines = [f"{words[new]:<14}  {path}" for path, new in written.items()]
    if has_stack:
        lines.insert(0, f"{words[False]:<14}  {config.name}: no manifests are drafted")
    listed = ", ".join(f"{c.name} ({c.dockerfile or c.image})" for c in found.components) or "no Dockerfile, no compose"
    lines.append(f"\nfound: {listed}")
    lines += [f"note: {note}" for note in found.notes]
    lines.append(
        "next: read CODEXCTL-CHECKLIST.md, then `codexctl-ci render --env ai --slot 1` and `codexctl-ci doctor`"
    )
    inv.print("\n".join(lines))


def _name_of(root: Path) -> str:
    """The repository's name on its server, else the folder's."""
    remote = _REMOTE.search(_git(root, "remote", "get-url", "origin"))
    return remote[1] if remote else root.name


def _default_branch(root: Path) -> str:
    """The server's, as the clone saw it; else one that is usually it, else the one that is checked out."""
    known = _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    if not known:
        there = _git(root, "for-each-ref", "--format=%(refname:lstrip=-1)", "refs/heads", "refs/remotes").split()
        usual = [name for name in ("main", "master") if name in there]
        known = usual[0] if usual else _git(root, "symbolic-ref", "--short", "HEAD")
    # It goes into YAML as it is.
    return known if _PLAIN_BRANCH.fullmatch(known) else "main"


def _git(root: Path, *words: str) -> str:
    """What git says; nothing where it fails or isn't there."""
    from codexctl_ci import process

    try:
        done = process.run(["git", "-C", str(root), *words], timeout=timedelta(seconds=10))
    except FileNotFoundError:
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.ok else ""
