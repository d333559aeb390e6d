"""The workflows of the repository that holds services.yaml."""

from __future__ import annotations

from pathlib import Path

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation


def workflow_texts(inv: Invocation) -> dict[str, str]:
    """Name below .github/workflows to text, of all of them."""
    folder = Path(inv.settings[o.CONFIG]).resolve().parent
    # services.yaml may lie below the repository's root.
    root = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
    return {
        path.name: path.read_text("utf-8", "replace")
        for path in sorted((root / ".github" / "workflows").glob("*.y*ml"))
        if path.is_file()
    }
