"""Names of agents' branches. Only these are ever pushed to by a publish or deleted."""

from __future__ import annotations

import re

_ISSUE = re.compile(r"codex/(issue|ai-repair)-([1-9][0-9]{0,9})\Z")
# A strict part of what git check-ref-format allows: nothing that a shell, a URL or git's own syntax reads.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+#@-]*(/[A-Za-z0-9_][A-Za-z0-9_.+#@-]*)*\Z")


def issue_branch(number: int, *, repair: bool = False) -> str:
    """The branch that belongs to an issue."""
    return f"codex/{'ai-repair' if repair else 'issue'}-{number}"


def issue_of(branch: str) -> int:
    """The issue that an agent's branch belongs to, 0 for any other branch."""
    found = _ISSUE.match(branch)
    return int(found[2]) if found else 0


def is_repair(branch: str) -> bool:
    """Whether the branch is one of a repair."""
    return bool(_ISSUE.match(branch)) and branch.startswith("codex/ai-repair-")


def is_safe(branch: str) -> bool:
    """Whether the name is a plain one: ASCII, no ``..``, no ``@{``, no ``.lock``, no leading dash, 200 characters."""
    return (
        bool(_SAFE.match(branch))
        and len(branch) <= 200
        and ".." not in branch
        and "@{" not in branch
        and not any(part.endswith((".lock", ".")) for part in branch.split("/"))
    )
