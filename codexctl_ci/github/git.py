"""A clone of ours without a work tree: commits are made from bytes, by git's plumbing.

Nothing of the repository is ever checked out, so no hook, filter, attribute or link in it can act here. The token
travels in the environment of the git process alone.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from codexctl_ci.errors import BlockedByGuardrail, CodexctlError, TransportError
from codexctl_ci.guardrails.branches import is_safe
from codexctl_ci.process import Finished

_TIMEOUT = timedelta(minutes=10)
_RIGHTS = "does CODEXCTL_GH_PAT (or the App) have write permission on contents, issues and pull requests here?"
_BUNDLES = ("GIT_SSL_CAINFO", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_NOT_ALLOWED = ("returned error: 401", "returned error: 403", "Authentication failed")
_MODES = {"file": "100644", "executable": "100755", "symlink": "120000"}
# How git says that a branch is not where we saw it: by its own look, or by the server's while it wrote.
_MOVED = (b"[rejected]", b"(cannot lock ref", b"(reference already exists)", b"(failed to update ref)")
_KINDS = {mode: kind for kind, mode in _MODES.items()} | {"160000": "submodule"}


class Clone:
    """A bare clone in ``folder`` (empty or made by an earlier run). ``run`` starts processes (``process.run``)."""

    def __init__(
        self,
        url: str,
        folder: Path,
        credentials: tuple[str, str],
        run: Callable[..., Finished],
        environ: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self._url = url
        self._run = run
        login = base64.b64encode(":".join(credentials).encode()).decode()
        keep = ("PATH", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "LANG")
        # Many a git is built with a TLS library that knows no SSL_CERT_FILE, so it is told in git's own words.
        bundle = next((environ[name] for name in _BUNDLES if environ.get(name)), "")
        trust = {"GIT_SSL_CAINFO": bundle} if bundle else {}
        self._env = (
            {name: environ[name] for name in (*keep, "SSL_CERT_DIR") if name in environ}
            | trust
            | {
                "HOME": str(folder),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
                "GIT_CONFIG_KEY_1": "core.hooksPath",
                "GIT_CONFIG_VALUE_1": os.devnull,
            }
        )

    def fetch(self, branches: Sequence[str], commits: Sequence[str] = ()) -> dict[str, str]:
        """Fetch those of ``branches`` that are there, and ``commits`` by id; each branch's commit by its name."""
        for branch in branches:
            _require_safe(branch)
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.git("init", "--quiet", "--bare", ".")
        listed = self.git("ls-remote", "--", self._url, *(f"refs/heads/{branch}" for branch in branches)).decode()
        heads = {ref.removeprefix("refs/heads/"): commit for commit, ref in map(str.split, listed.splitlines())}
        wanted = [f"+refs/heads/{branch}:refs/remotes/origin/{branch}" for branch in heads]
        if wanted:
            self.git("fetch", "--quiet", "--no-tags", "--filter=blob:none", "--", self._url, *wanted)
            # A later look at a single old file may fetch it from there.
            self.git("config", "remote.origin.url", self._url)
            self.git("config", "remote.origin.promisor", "true")
        missing = [commit for commit in commits if not self.has(commit)]
        if missing:
            self.git("fetch", "--quiet", "--no-tags", "--filter=blob:none", "--", self._url, *missing)
        return heads

    def has(self, commit: str) -> bool:
        """Whether the commit is here."""
        return self._call(["cat-file", "-e", f"{commit}^{{commit}}"], env={"GIT_NO_LAZY_FETCH": "1"}).ok

    def tree(self, commit: str) -> str:
        """The id of a commit's tree."""
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def before(self, commit: str, paths: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """Kind (``file executable symlink submodule``) and bytes of those ``paths`` that the commit has."""
        wanted, found = set(paths), {}
        for line in self.git("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
            head, _, raw = line.partition(b"\t")
            path = raw.decode("utf-8", "surrogateescape")
            if line and path in wanted:
                mode, _, blob = head.decode().split()
                kind = _KINDS.get(mode, "file")
                found[path] = (kind, b"" if kind == "submodule" else self.git("cat-file", "blob", blob))
        return found

    def differing(self, old: str, new: str) -> tuple[str, ...]:
        """The paths at which two commits differ; a file that was moved is at two of them."""
        listed = self.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new).split(b"\0")
        return tuple(path.decode("utf-8", "surrogateescape") for path in listed if path)

    def commit(
        self,
        parent: str,
        puts: Mapping[str, tuple[str, bytes]],
        removals: Sequence[str],
        message: str,
        author: tuple[str, str],
        when: int,
    ) -> str:
        """A commit on ``parent`` with files put (kind of ``file executable symlink``, bytes) and removed.

        The same parent, files, message, author and time give the same id. Nothing changed gives ``parent`` itself.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            self.git("read-tree", parent, env=env)
            lines = [f"0 {'0' * 40}\t".encode() + path.encode("utf-8", "surrogateescape") for path in removals]
            for path, (kind, content) in puts.items():
                blob = self.git("hash-object", "-w", "--no-filters", "--stdin", stdin=content).decode().strip()
                lines.append(f"{_MODES[kind]} {blob}\t".encode() + path.encode("utf-8", "surrogateescape"))
            self.git("update-index", "-z", "--index-info", stdin=b"".join(line + b"\0" for line in lines), env=env)
            tree = self.git("write-tree", "--missing-ok", env=env).decode().strip()
        if tree == self.tree(parent):
            return parent
        return self._commit(tree, [parent], message.encode(), author, when)

    def contains(self, head: str, commit: str) -> bool:
        """Whether ``commit`` is ``head`` or one of its ancestors."""
        return self._call(["merge-base", "--is-ancestor", commit, head]).ok

    def rebased(self, commit: str, onto: str, author: tuple[str, str], when: int) -> str | None:
        """What ``commit`` does to its parent, done to ``onto``: ``commit`` itself where it stands on ``onto``, ``onto``
        where that has it already, None where they contradict each other."""
        if self.contains(commit, onto):
            return commit
        if self.contains(onto, commit):
            return onto
        # Three commits that know only each other: whatever else lies between the branches is no part of the question.
        root = self._commit(f"{commit}^", [], b"base", author, when)
        ours = self._commit(commit, [root], b"ours", author, when)
        theirs = self._commit(onto, [root], b"theirs", author, when)
        done = self._call(["merge-tree", "--write-tree", "--name-only", "-z", theirs, ours])
        if done.code == 1:
            return None
        self._demand(done, "merge-tree")
        tree = done.stdout.split(b"\0", 1)[0].decode().strip()
        if tree == self.tree(onto):
            return onto
        return self._commit(tree, [onto], self.git("log", "-1", "--format=%B", commit), author, when)

    def _commit(self, tree: str, parents: Sequence[str], message: bytes, author: tuple[str, str], when: int) -> str:
        name, address = author
        stamp = f"{when} +0000"
        env = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address, "GIT_AUTHOR_DATE": stamp}
        env |= {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": address, "GIT_COMMITTER_DATE": stamp}
        known = [word for parent in parents for word in ("-p", parent)]
        made = self.git("commit-tree", f"{tree}^{{tree}}", *known, "-F", "-", stdin=message, env=env)
        return made.decode().strip()

    def push(self, commit: str, branch: str) -> bool:
        """Move the branch on to ``commit``, never by force; False where it has moved away from under it."""
        _require_safe(branch)
        done = self._call(["push", "--porcelain", "--", self._url, f"{commit}:refs/heads/{branch}"])
        if not done.ok and any(word in done.stdout for word in _MOVED):
            return False
        self._demand(done, "push")
        return True

    def git(self, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run git here and return what it printed; a failure is an error with git's own words."""
        done = self._call(list(words), stdin=stdin, env=env)
        self._demand(done, words[0])
        return done.stdout

    def _call(self, words: list[str], stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Finished:
        return self._run(
            ["git", *words], env=self._env | dict(env or {}), cwd=self.folder, stdin=stdin, timeout=_TIMEOUT
        )

    def _demand(self, done: Finished, verb: str) -> None:
        if done.ok:
            return
        words = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        if "protected branch" in words or "GH006" in words or "GH013" in words:
            raise BlockedByGuardrail(f"git {verb} was refused", reason=words, hint="look at the branch's rules")
        if any(sign in words for sign in _NOT_ALLOWED):
            raise CodexctlError(f"git {verb} was refused", reason=words, hint=_RIGHTS)
        if done.timed_out or "unable to access" in words or "Could not resolve host" in words:
            raise TransportError(f"git {verb} did not get through", reason=words or "timed out")
        raise CodexctlError(f"git {verb} failed", reason=words, hint=_RIGHTS)


def _require_safe(branch: str) -> None:
    if not is_safe(branch):
        raise BlockedByGuardrail(f"branch name {branch!r} is not used", reason="it has characters that are not plain")
