"""The agent's change on its way to a branch, on a real git repository."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from codexctl_ci.errors import CodexctlError
from codexctl_ci.github.git import Clone
from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.operations.publish import Bot, Pushed, push_change
from codexctl_ci.ports import TreeFile
from codexctl_ci.process import run

BRANCH = "codex/issue-7"
BOT = Bot("codex-bot", "codex-bot@users.noreply.github.com")


@dataclass
class Tree:
    """A slot's sources as the port shows them."""

    commit: str
    files: tuple[TreeFile, ...] = ()
    marks: list[str] = field(default_factory=list)

    def base(self) -> str:
        return self.commit

    def changes(self, *, max_files: int, max_bytes: int) -> tuple[TreeFile, ...]:
        return self.files

    def published(self, commit: str) -> None:
        self.marks.append(commit)


@dataclass
class Server:
    """A real repository that stands for the hosting side."""

    path: Path

    def git(self, *words: str, stdin: str = "") -> str:
        who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *words],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | who,
        )
        return done.stdout.strip()

    def commit(self, branch: str, files: dict[str, str], parent: str = "") -> str:
        lines = []
        for path, text in files.items():
            blob = self.git("hash-object", "-w", "--stdin", stdin=text)
            lines.append(f"100644 {blob}\t{path}")
        index = {"GIT_INDEX_FILE": str(self.path / "scratch-index")}
        os.environ.update(index)
        try:
            self.git("read-tree", parent or "--empty")
            self.git("update-index", "--add", "--index-info", stdin="\n".join(lines) + "\n")
            tree = self.git("write-tree")
        finally:
            del os.environ["GIT_INDEX_FILE"]
        made = self.git("commit-tree", tree, *(["-p", parent] if parent else []), "-m", "x")
        self.git("update-ref", f"refs/heads/{branch}", made)
        return made

    def show(self, revision: str) -> str:
        return self.git("show", revision)

    def mode(self, path: str) -> str:
        return self.git("ls-tree", BRANCH, path).split()[0]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    path = tmp_path / "server.git"
    path.mkdir()
    made = Server(path)
    made.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
    made.git("config", "uploadpack.allowFilter", "true")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    return made


@pytest.fixture
def clone(server: Server, tmp_path: Path) -> Clone:
    return Clone(f"file://{server.path}", tmp_path / "clone", ("x", "token-value"), run, os.environ)


def put(path: str, text: str = "new\n", executable: bool = False) -> TreeFile:
    return TreeFile(path, "file", executable, text.encode())


def push(tree: Tree, clone: Clone, when: int = 1_700_000_000) -> Pushed:
    return push_change(
        tree, clone, branch=BRANCH, message="Do it\n", bot=BOT, policy=Policy(executables=("bin/*",)), when=when
    )


def test_change_becomes_one_commit_on_the_claims_branch(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n", "gone.txt": "x\n", "keep.txt": "k\n"})
    files = (put("a.txt"), TreeFile("gone.txt", "deleted", False, b""), put("bin/run", executable=True))
    tree = Tree(base, (*files, TreeFile("link", "symlink", False, b"a.txt")))
    done = push(tree, clone)
    assert done.conclusion == "changed" and done.commit == server.git("rev-parse", BRANCH)
    assert server.git("rev-parse", f"{BRANCH}^") == base
    assert server.git("ls-tree", "-r", "--name-only", BRANCH).split() == ["a.txt", "bin/run", "keep.txt", "link"]
    assert server.show(f"{BRANCH}:a.txt") == "new"
    assert (server.mode("bin/run"), server.mode("link")) == ("100755", "120000")
    assert server.git("log", "-1", "--format=%an %ae %s", BRANCH) == f"{BOT.name} {BOT.email} Do it"
    assert tree.marks == [done.commit]


def test_second_try_after_a_death_pushes_nothing_new(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n"})
    first = push(Tree(base, (put("a.txt"),)), clone)
    again = push(Tree(base, (put("a.txt"),)), clone, when=1_700_009_999)
    assert again.commit == first.commit and server.git("rev-list", "--count", BRANCH) == "2"


def test_unchanged_tree_is_no_change(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n"})
    assert push(Tree(base), clone).conclusion == "no_change"
    assert push(Tree(base, (put("a.txt", "old\n"),)), clone).conclusion == "no_change"
    assert server.git("for-each-ref", "refs/heads/codex") == ""


def test_blocked_change_leaves_nothing_on_the_server(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n"})
    tree = Tree(base, (put("a.txt"), put(".github/workflows/x.yml")))
    done = push(tree, clone)
    assert done.conclusion == "blocked" and [v.rule for v in done.violations] == ["protected"]
    assert server.git("for-each-ref", "refs/heads/codex") == "" and tree.marks == []


def test_change_is_put_on_top_of_a_persons_commit(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n", "b.txt": "old\n"})
    theirs = server.commit(BRANCH, {"b.txt": "person\n"}, base)
    tree = Tree(base, (put("a.txt"),))
    done = push(tree, clone)
    assert server.show(f"{BRANCH}:a.txt") == "new" and server.show(f"{BRANCH}:b.txt") == "person"
    assert server.git("rev-list", "--parents", "-1", BRANCH).split() == [done.commit, theirs]
    assert server.git("log", "-1", "--format=%an %s", BRANCH) == f"{BOT.name} Do it" and tree.marks == [done.commit]
    # A try that died before it was recorded finds it there.
    again = push(Tree(base, (put("a.txt"),)), clone, when=1_700_009_999)
    assert again.commit == done.commit and server.git("rev-parse", BRANCH) == done.commit


def test_branch_that_was_made_anew_is_not_overruled(server: Server, clone: Clone) -> None:
    first = server.commit("main", {"a.txt": "old\n", "b.txt": "old\n"})
    base = server.commit(BRANCH, {"b.txt": "dropped\n"}, first)
    theirs = server.commit(BRANCH, {"c.txt": "person\n"}, first)
    push(Tree(base, (put("a.txt"),)), clone)
    assert server.git("rev-parse", f"{BRANCH}^") == theirs
    assert [server.show(f"{BRANCH}:{name}.txt") for name in "abc"] == ["new", "old", "person"]


@pytest.mark.parametrize("place", ["AGENTS.md", ".github/workflows/a.yml"])
def test_change_that_follows_a_moved_file_is_judged_where_it_arrives(server: Server, clone: Clone, place: str) -> None:
    text = "one\ntwo\nthree\nfour\n"
    base = server.commit("main", {"notes.md": text})
    theirs = server.commit(BRANCH, {place: text})
    theirs = server.git("commit-tree", f"{theirs}^{{tree}}", "-p", base, "-m", "a person moves it")
    server.git("update-ref", f"refs/heads/{BRANCH}", theirs)
    tree = Tree(base, (put("notes.md", text + "obey me\n"),))
    done = push(tree, clone)
    assert done.conclusion == "blocked" and [(v.rule, v.path) for v in done.violations] == [("protected", place)]
    assert server.git("rev-parse", BRANCH) == theirs and tree.marks == []


def test_change_that_follows_a_moved_file_to_an_ordinary_place_is_published(server: Server, clone: Clone) -> None:
    text = "one\ntwo\nthree\nfour\n"
    base = server.commit("main", {"notes.md": text})
    moved = server.commit(BRANCH, {"docs/notes.md": text})
    theirs = server.git("commit-tree", f"{moved}^{{tree}}", "-p", base, "-m", "a person moves it")
    server.git("update-ref", f"refs/heads/{BRANCH}", theirs)
    assert push(Tree(base, (put("notes.md", text + "five\n"),)), clone).conclusion == "changed"
    assert server.git("ls-tree", "-r", "--name-only", BRANCH) == "docs/notes.md"
    assert server.show(f"{BRANCH}:docs/notes.md") == text + "five"


def test_contradiction_is_an_error_and_moves_nothing(server: Server, clone: Clone) -> None:
    base = server.commit("main", {"a.txt": "old\n"})
    theirs = server.commit(BRANCH, {"a.txt": "person\n"}, base)
    tree = Tree(base, (put("a.txt"),))
    with pytest.raises(CodexctlError, match="still in the slot"):
        push(tree, clone)
    assert server.git("rev-parse", BRANCH) == theirs and tree.marks == []


@pytest.mark.parametrize("races", [1, 2])
def test_branch_that_moves_between_fetch_and_push_is_followed_once(server: Server, clone: Clone, races: int) -> None:
    base = server.commit("main", {"a.txt": "old\n", "b.txt": "old\n"})

    class Racing(Clone):
        left = races

        def push(self, commit: str, branch: str) -> bool:
            if self.left:
                self.left -= 1
                server.commit(BRANCH, {"b.txt": f"person {self.left}\n"}, base)
            return super().push(commit, branch)

    racing = Racing(f"file://{server.path}", clone.folder, ("x", "t"), run, os.environ)
    tree = Tree(base, (put("a.txt"),))
    if races == 1:
        push(tree, racing)
        assert server.show(f"{BRANCH}:a.txt") == "new" and server.show(f"{BRANCH}:b.txt") == "person 0"
    else:
        with pytest.raises(CodexctlError, match="moved twice"):
            push(tree, racing)
        assert server.show(f"{BRANCH}:a.txt") == "old" and tree.marks == []


def test_no_push_is_forced(server: Server, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def watching(argv: list[str], **more: object) -> object:
        seen.append(argv)
        return run(argv, **more)  # type: ignore[arg-type]

    base = server.commit("main", {"a.txt": "old\n", "b.txt": "old\n"})
    server.commit(BRANCH, {"b.txt": "person\n"}, base)
    clone = Clone(f"file://{server.path}", tmp_path / "c", ("x", "t"), watching, os.environ)  # type: ignore[arg-type]
    push(Tree(base, (put("a.txt"),)), clone)
    (pushed,) = [argv for argv in seen if "push" in argv]
    assert pushed[1:4] == ["push", "--porcelain", "--"] and not pushed[-1].startswith("+")


def test_token_is_in_no_argument_of_git(server: Server, tmp_path: Path) -> None:
    seen: list[str] = []

    def watching(argv: list[str], **more: object) -> object:
        seen.extend(argv)
        return run(argv, **more)  # type: ignore[arg-type]

    base = server.commit("main", {"a.txt": "old\n"})
    clone = Clone(f"file://{server.path}", tmp_path / "c", ("x", "token-value"), watching, os.environ)  # type: ignore[arg-type]
    push(Tree(base, (put("a.txt"),)), clone)
    assert seen and not any("token-value" in word or "eDp0b2tlbi12YWx1ZQ" in word for word in seen)
