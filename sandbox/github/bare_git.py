"""The bare repositories behind the imitation, read and written with git itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ZERO = "0" * 40


class GitFailed(RuntimeError):
    """git refused; the text is what it said."""


@dataclass(frozen=True)
class ChangedFile:
    """One file between two commits."""

    path: str
    status: str
    additions: int
    deletions: int
    patch: str
    previous: str | None = None


@dataclass(frozen=True)
class Commit:
    """A commit's header."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author_name: str
    author_email: str
    date: str


@dataclass(frozen=True)
class BareRepository:
    """One bare repository on disk."""

    path: Path

    def git(self, *arguments: str, stdin: str | None = None, extra: dict[str, str] | None = None) -> str:
        """Run git here; return stdout, raise GitFailed with stderr."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            env=clean_environment() | (extra or {}),
            check=False,
        )
        if done.returncode != 0:
            raise GitFailed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    @classmethod
    def create(cls, path: Path, default_branch: str) -> BareRepository:
        """Make an empty bare repository that accepts pushes over HTTP."""
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "-q", "--bare", f"--initial-branch={default_branch}", ".")
        repository.git("config", "http.receivepack", "true")
        repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
        repository.git("config", "receive.shallowUpdate", "true")
        return repository

    def sha(self, revision: str) -> str | None:
        """Return the commit that a revision names, or None."""
        try:
            return self.git("rev-parse", "--verify", "-q", "--end-of-options", f"{revision}^{{commit}}").strip()
        except GitFailed:
            return None

    def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        """Return full ref names and their commits."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def set_ref(self, name: str, sha: str) -> None:
        """Create or move a ref."""
        self.git("update-ref", name, sha)

    def delete_ref(self, name: str) -> None:
        """Delete a ref."""
        self.git("update-ref", "-d", name)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Say whether `older` is in the history of `newer`."""
        try:
            self.git("merge-base", "--is-ancestor", older, newer)
        except GitFailed:
            return False
        return True

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor, or None."""
        try:
            return self.git("merge-base", one, other).strip()
        except GitFailed:
            return None

    def commits(self, base: str, head: str) -> list[Commit]:
        """Return the commits of `head` that `base` lacks, oldest first."""
        return [self.commit(sha) for sha in self.git("rev-list", "--reverse", f"{base}..{head}").split()]

    def commit(self, sha: str) -> Commit:
        """Return a commit's header."""
        parts = self.git("show", "-s", "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%cI%x00%B", sha).split("\0")
        return Commit(
            parts[0],
            parts[1],
            tuple(parts[2].split()),
            parts[6].strip(),
            parts[3],
            parts[4],
            as_utc(parts[5]),
        )

    def changed_files(self, base: str, head: str) -> list[ChangedFile]:
        """Return what `head` changed since it left `base`."""
        start = self.merge_base(base, head) or base
        names = self.git("diff", "-z", "--name-status", "-M", start, head).split("\0")
        found: list[ChangedFile] = []
        position = 0
        while position < len(names) - 1:
            code = names[position]
            previous = names[position + 1] if code[0] in "RC" else None
            path = names[position + 2] if previous else names[position + 1]
            position += 3 if previous else 2
            status = {"A": "added", "D": "removed", "R": "renamed", "C": "copied"}.get(code[0], "modified")
            numbers = self.git("diff", "--numstat", "-M", start, head, "--", *filter(None, (previous, path)))
            added, deleted = (numbers.split("\t")[:2] if numbers else ("0", "0"))[:2]
            patch = self.git("diff", "-M", start, head, "--", *filter(None, (previous, path)))
            hunks = patch[patch.index("\n@@") + 1 :] if "\n@@" in patch else ""
            found.append(
                ChangedFile(
                    path,
                    status,
                    int(added) if added.isdigit() else 0,
                    int(deleted) if deleted.isdigit() else 0,
                    hunks.rstrip("\n"),
                    previous,
                )
            )
        return found

    def mergeable(self, base: str, head: str) -> str | None:
        """Return the tree that merging gives, or None where there are conflicts."""
        try:
            return self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except GitFailed:
            return None

    def commit_tree(self, tree: str, parents: tuple[str, ...], message: str, name: str, email: str) -> str:
        """Write a commit and return its id."""
        people = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name), ("EMAIL", email))
        }
        flags = [item for parent in parents for item in ("-p", parent)]
        return self.git("commit-tree", tree, *flags, stdin=message, extra=people).strip()

    def file(self, revision: str, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is no such file."""
        done = subprocess.run(
            ["git", "cat-file", "blob", f"{revision}:{path}"],
            cwd=self.path,
            capture_output=True,
            env=clean_environment(),
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    def listing(self, revision: str, path: str) -> list[tuple[str, str, str]]:
        """Return kind (`blob`, `tree`), object id and path of a folder's entries."""
        target = f"{path.rstrip('/')}/" if path else "."
        lines = self.git("ls-tree", "-z", revision, target if path else "").split("\0") if path else []
        if not path:
            lines = self.git("ls-tree", "-z", revision).split("\0")
        return [(meta[1], meta[2], line.split("\t", 1)[1]) for line in lines if line and (meta := line.split()[:3])]


def clean_environment() -> dict[str, str]:
    """Return an environment in which no configuration of this machine's user reaches git."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C.UTF-8",
    }


def as_utc(moment: str) -> str:
    """Turn git's strict ISO time into GitHub's UTC form."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
