"""Whether the agent left a change, asked in the place where it worked: git in its tree runs nowhere else."""

from __future__ import annotations

from datetime import timedelta

from codexctl_ci.codex.places import Place
from codexctl_ci.errors import CodexctlError

# Hooks and helpers that the tree's own configuration may name are switched off as far as git lets us.
_STATUS = """cd "$1" || exit 3
git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c safe.directory='*' status --porcelain=v1 -z \\
  --untracked-files=all --ignore-submodules=none |
  head -c 65536 | tr '\\0' '\\n' | grep -v '^?? \\.codexctl/'
[ "$?" -le 1 ]
"""


def has_changes(place: Place, workdir: str) -> bool:
    """Whether files in the working copy differ from its commit, untracked ones included."""
    done = place.execute(["sh", "-c", _STATUS, "agent", workdir], timeout=timedelta(minutes=5))
    if done.code != 0:
        reason = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise CodexctlError("the working copy can't be read", obj=str(place), reason=reason)
    return bool(done.stdout.strip())
