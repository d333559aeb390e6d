"""May this change be published? Judged file by file, before anything of it reaches a repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from codexctl_ci.guardrails.manifests import judge_text
from codexctl_ci.guardrails.paths import chains, collisions, link_problem, path_problem, shown
from codexctl_ci.guardrails.policy import INSTRUCTIONS, PROTECTED, FileChange, Policy, Violation, allowing, matches
from codexctl_ci.guardrails.secrets import leaks
from codexctl_ci.guardrails.unseen import judge_characters

_LOOKED_AT = 8000
"""So far git looks for a zero byte to tell binary files."""


def judge_change(changes: Sequence[FileChange], policy: Policy, message: str = "") -> list[Violation]:
    """Every rule that the change and its commit's ``message`` break; an empty list lets it pass."""
    found = [*_message(message, policy), *_sizes(changes, policy)]
    for change in changes:
        for violation in _judge_file(change, policy):
            line = violation.line or _first_changed_line(change)
            found.append(replace(violation, line=line, path=shown(violation.path)))
    found.extend(chains(changes))
    found.extend(collisions(changes))
    return found


def is_binary(content: bytes) -> bool:
    """Whether git takes the content for binary."""
    return b"\0" in content[:_LOOKED_AT]


def _judge_file(change: FileChange, policy: Policy) -> Iterator[Violation]:
    problem = path_problem(change.path, new=change.before is None and change.kind != "deleted")
    if problem:
        yield Violation("path", change.path, problem)
        return
    yield from _place(change, policy)
    if change.kind == "submodule":
        yield Violation("submodule", change.path, "submodules are not changed by agents")
    if change.kind == "symlink":
        if not policy.links:
            yield Violation("symlink", change.path, "no links here", 1, allowing("symlinks"))
        elif trouble := link_problem(change):
            yield Violation("symlink", change.path, trouble, 1)
    if change.kind == "file":
        yield from _mode(change, policy)
        if is_binary(change.content):
            if not matches(change.path, policy.binaries):
                yield Violation("binary", change.path, "a binary file", allow=allowing("binaryFiles"))
        else:
            yield from judge_text(change, policy)
            yield from judge_characters(change, policy)
    if change.kind in ("file", "symlink"):
        for leak in leaks(change.content, policy.secrets, change.before or b""):
            yield Violation("secret", change.path, f"{leak.what} stands here", leak.line)
    for leak in leaks(change.path.encode("utf-8", "surrogateescape"), policy.secrets):
        yield Violation("secret", "(a file's name)", f"{leak.what} stands in the name of a file")


def _place(change: FileChange, policy: Policy) -> Iterator[Violation]:
    path = change.path
    if policy.allowed and not matches(path, policy.allowed):
        yield Violation("allowed", path, "agents don't work here", allow=allowing("allowedPaths"))
    if matches(path, policy.allow_protected):
        return
    how = allowing("allowProtected")
    if matches(path, INSTRUCTIONS):
        yield Violation("protected", path, "this file steers agents", allow=how)
    elif matches(path, PROTECTED):
        yield Violation("protected", path, "this file steers the repository", allow=how)
    elif matches(path, policy.protected):
        yield Violation("protected", path, "the project protects this file", allow=how)


def _mode(change: FileChange, policy: Policy) -> Iterator[Violation]:
    if change.executable and not change.was_executable and not matches(change.path, policy.executables):
        what = "a new executable file" if change.before is None else "an existing file becomes executable"
        yield Violation("executable", change.path, what, allow=allowing("executableFiles"))


def _message(message: str, policy: Policy) -> Iterator[Violation]:
    subject = message.partition("\n")[0]
    if policy.message_pattern and not re.match(policy.message_pattern, subject):
        what = f"the first line does not match {policy.message_pattern}"
        yield Violation("commit-message", "(commit message)", what, 1, allowing("commitMessage"))


def _sizes(changes: Sequence[FileChange], policy: Policy) -> Iterator[Violation]:
    every = "(all files)"
    if len(changes) > policy.max_files:
        what = f"{len(changes)} files changed, and {policy.max_files} are the limit"
        yield Violation("size", every, what, allow=allowing("maxFiles"))
    lines = sum(_lines(change) for change in changes)
    if lines > policy.max_lines:
        what = f"{lines} lines added and removed, and {policy.max_lines} are the limit"
        yield Violation("size", every, what, allow=allowing("maxLines"))
    total = sum(len(change.content) for change in changes)
    if total > policy.max_total_bytes:
        what = f"{total} bytes in all, and {policy.max_total_bytes} are the limit"
        yield Violation("size", every, what, allow=allowing("maxTotalSize"))
    for change in changes:
        if len(change.content) > policy.max_file_bytes:
            what = f"{len(change.content)} bytes, and {policy.max_file_bytes} are the limit"
            yield Violation("size", shown(change.path), what, allow=allowing("maxFileSize"))


def _lines(change: FileChange) -> int:
    """Lines added and removed, wherever they moved to inside the file."""
    before = change.before or b""
    if change.kind not in ("file", "deleted") or is_binary(change.content) or is_binary(before):
        return 0
    balance = Counter(change.content.splitlines())
    balance.subtract(before.splitlines())
    return sum(abs(count) for count in balance.values())


def _first_changed_line(change: FileChange) -> int:
    if change.kind != "file" or is_binary(change.content):
        return 0
    now, before = change.content.splitlines(), (change.before or b"").splitlines()
    same = 0
    while same < min(len(now), len(before)) and now[same] == before[same]:
        same += 1
    # Where the file's mode alone has changed, or its end is gone, no line of it is new.
    return same + 1 if same < len(now) else 0
