"""The command that writes a project's first files."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation

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
    at_root = repository_files(found, services=config.name, has_stack=has_stack, below=below)
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
    from codexctl_ci import process

    try:
        done = process.run(["git", "-C", str(root), "remote", "get-url", "origin"], timeout=timedelta(seconds=10))
    except FileNotFoundError:
        return root.name
    remote = _REMOTE.search(done.stdout.decode("utf-8", "replace").strip())
    return remote[1] if remote else root.name
