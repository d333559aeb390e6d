"""Lints the workflows and actions of the tree: actionlint and zizmor, both without the network."""

import subprocess
from pathlib import Path

from sandbox.bootstrap.progress import Progress
from sandbox.bootstrap.tools import ACTIONLINT, ensure_tools


def lint_workflows(tree: Path, home: Path, progress: Progress) -> int:
    """Returns 0 where both linters are content, or where there is nothing to lint yet."""
    workflows = sorted((tree / ".github" / "workflows").glob("*.y*ml"))
    actions = [*sorted(tree.glob("action.y*ml")), *sorted((tree / "actions").glob("*/action.y*ml"))]
    worst = 0
    if workflows:
        folder = ensure_tools(tree, [ACTIONLINT], progress)[0]
        linted = [str(path.relative_to(tree)) for path in workflows]
        worst = max(worst, subprocess.run([folder / "actionlint", *linted], cwd=tree, check=False).returncode)
    if workflows or actions:
        linted = [str(path.relative_to(tree)) for path in (*workflows, *actions)]
        zizmor = [str(home / "bin" / "zizmor"), "--offline", "--no-progress", "--quiet"]
        worst = max(worst, subprocess.run([*zizmor, *linted], cwd=tree, check=False).returncode)
    return worst
