"""The agent's change from the slot to one branch: read, judged, committed, pushed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from codexctl_ci.errors import CodexctlError
from codexctl_ci.guardrails.patch import judge_change
from codexctl_ci.guardrails.policy import FileChange, Policy, Violation
from codexctl_ci.ports import BranchHost, SlotTree, TreeFile

log = logging.getLogger(__name__)

_PUSHES = 2


@dataclass(frozen=True, slots=True)
class Bot:
    """Whose name commits carry."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a change. ``conclusion`` is ``changed``, ``no_change`` or ``blocked``.

    ``commit`` is where the branch stands now, empty where it was not touched; ``files`` are the paths changed.
    """

    conclusion: str
    branch: str
    commit: str = ""
    files: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()


def push_change(
    tree: SlotTree,
    host: BranchHost,
    *,
    branch: str,
    message: str,
    bot: Bot,
    policy: Policy,
    when: int,
) -> Pushed:
    """Bring the tree's change to ``branch``. Safe to repeat: what stands there already is not pushed again.

    ``when`` is the commit's time in Unix seconds. A change that breaks a rule is returned as ``blocked``, and nothing
    has left the slot then. Where the branch moved meanwhile the change is put on top of it, once; a conflict is an
    error and loses nothing.
    """
    base = tree.base()
    files = tree.changes(max_files=policy.max_files, max_bytes=policy.max_total_bytes)
    if not files:
        return Pushed("no_change", branch)
    heads = host.fetch([branch], [base])
    old = host.before(base, [file.path for file in files])
    changes = [change for change in (_compared(file, old) for file in files) if change is not None]
    if not changes:
        return Pushed("no_change", branch)
    violations = tuple(judge_change(changes, policy, message))
    paths = tuple(change.path for change in changes)
    if violations:
        return Pushed("blocked", branch, files=paths, violations=violations)
    made = host.commit(base, _puts(changes), _removals(changes), message, (bot.name, bot.email), when)
    commit, broken = _push(host, made, branch, heads, bot, policy, when)
    if broken:
        return Pushed("blocked", branch, files=paths, violations=broken)
    tree.published(commit)
    log.info("%s: %d files pushed as %s", branch, len(paths), commit[:12])
    return Pushed("changed", branch, commit, paths)


def _push(
    host: BranchHost, made: str, branch: str, heads: Mapping[str, str], bot: Bot, policy: Policy, when: int
) -> tuple[str, tuple[Violation, ...]]:
    """The commit that stands on the branch then, or the rules that forbid what it would become there."""
    for _ in range(_PUSHES):
        there = heads.get(branch, "")
        target = host.rebased(made, there, (bot.name, bot.email), when) if there else made
        if target is None:
            raise CodexctlError(
                f"the change does not fit on {branch}",
                reason="the branch was changed on the server meanwhile, in the same lines",
                hint="nothing is lost: the work is still in the slot; review again, and the agent will mend it",
            )
        if target not in (made, there):
            # Git follows files that a person moved meanwhile, so this is another change than the one that was judged.
            broken = tuple(judge_change(_between(host, there, target), policy))
            if broken:
                return "", broken
        if target == there or host.push(target, branch):
            return target, ()
        heads = host.fetch([branch])
    raise CodexctlError(f"{branch} moved twice while we pushed", hint="nothing is lost: run this job again")


def _between(host: BranchHost, old: str, new: str) -> list[FileChange]:
    """What ``new`` does to ``old``."""
    paths = host.differing(old, new)
    before, now = host.before(old, paths), host.before(new, paths)
    files = []
    for path in paths:
        kind, content = now.get(path, ("deleted", b""))
        files.append(TreeFile(path, "file" if kind == "executable" else kind, kind == "executable", content))
    return [change for change in (_compared(file, before) for file in files) if change is not None]


def _compared(file: TreeFile, old: Mapping[str, tuple[str, bytes]]) -> FileChange | None:
    before = old.get(file.path)
    if file.kind == "deleted":
        if before is None:
            return None
        kind = "submodule" if before[0] == "submodule" else "deleted"
        return FileChange(file.path, "deleted" if kind == "deleted" else "submodule", before=before[1])
    now = "executable" if file.kind == "file" and file.executable else file.kind
    if before == (now, file.content):
        return None
    if file.kind not in ("file", "symlink") or (before and before[0] == "submodule"):
        return FileChange(file.path, "submodule")
    return FileChange(
        file.path,
        "symlink" if file.kind == "symlink" else "file",
        file.content,
        before[1] if before else None,
        executable=file.executable,
        was_executable=before is not None and before[0] == "executable",
    )


def _puts(changes: list[FileChange]) -> dict[str, tuple[str, bytes]]:
    puts = {}
    for change in changes:
        if change.kind == "symlink":
            puts[change.path] = ("symlink", change.content)
        elif change.kind == "file":
            puts[change.path] = ("executable" if change.executable else "file", change.content)
    return puts


def _removals(changes: list[FileChange]) -> list[str]:
    return [change.path for change in changes if change.kind == "deleted"]
