"""What may be published, and what may not."""

from __future__ import annotations

import base64

import pytest

from codexctl_ci.guardrails.patch import FileChange, Policy, judge_change
from codexctl_ci.guardrails.secrets import needles

SECRET = "correct-horse-battery-staple"
POLICY = Policy(secrets=needles([SECRET]))


def rules(*changes: FileChange, policy: Policy = POLICY) -> list[str]:
    return [violation.rule for violation in judge_change(changes, policy)]


@pytest.mark.parametrize(
    "path",
    ["src/app.py", "docs/a b.md", ".gitignore", ".github/ISSUE_TEMPLATE/bug.md", "größe.txt", "git/config", ".gitx/a"],
)
def test_ordinary_files_pass(path: str) -> None:
    assert rules(FileChange(path, "file", b"hello\n", None)) == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        ".git/hooks/pre-commit",
        "sub/.GIT/config",
        ".git\u200c/config",
        ".git./config",
        ".git /config",
        ".git::$INDEX_ALLOCATION/config",
        "git~1/config",
        "a\\..\\b",
        "a\nb",
        "a//b",
        "",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    assert rules(FileChange(path, "file", b"x")) == ["path"]


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".GitHub/Workflows/ci.yml",
        ".github/actions/x/action.yml",
        "CODEOWNERS",
        ".github/CODEOWNERS",
        "AGENTS.md",
        "services/api/AGENTS.md",
        ".codex/config.toml",
        ".gitmodules",
        ".codex",
        "services/.agents/skills/x/SKILL.md",
        ".agents",
        ".github",
        ".github/workflows",
    ],
)
def test_files_that_steer_need_the_projects_word(path: str) -> None:
    change = FileChange(path, "file", b"x")
    assert rules(change) == ["protected"]
    assert rules(FileChange(path, "deleted")) == ["protected"]
    assert rules(change, policy=Policy(allow=(path,))) == []


@pytest.mark.parametrize(("target", "leaves"), [("b", False), ("../x/b", False), ("../../b", True), ("/etc", True)])
def test_links_stay_inside(target: str, leaves: bool) -> None:
    assert rules(FileChange("x/a", "symlink", target.encode())) == (["symlink"] if leaves else [])


def test_link_into_dot_git_is_refused() -> None:
    assert rules(FileChange("x/a", "symlink", b"../.git/config")) == ["symlink"]


def test_submodules_are_refused() -> None:
    assert rules(FileChange("vendor/x", "submodule")) == ["submodule"]


def test_existing_file_does_not_become_executable_unseen() -> None:
    change = FileChange("run.sh", "file", b"x", b"x", executable=True)
    assert rules(change) == ["executable"]
    assert rules(FileChange("new.sh", "file", b"x", None, executable=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x:" + SECRET.encode() + b"\n").decode(),
        base64.b64encode(b"y" + SECRET.encode() + b"zz").decode(),
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2c3" * 12,
        "x_ghp_" + "a1B2" * 9 + "_x",
        "KEY_sk-" + "abcd1234" * 4,
        "sk-" + "abcd1234" * 4,
        "sk-proj-" + "abcd-1234_" * 4,
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    ],
)
def test_secrets_are_found_with_their_line_and_never_quoted(text: str) -> None:
    found = judge_change([FileChange("a.txt", "file", f"one\ntwo {text} three\n".encode())], POLICY)
    assert [(v.rule, v.line) for v in found] == [("secret", 2)]
    assert text not in str(found[0])


def test_shape_that_stood_there_before_is_not_the_agents_doing() -> None:
    key = b"sk-" + b"abcd1234" * 4
    assert rules(FileChange("a", "file", b"x\n" + key, key)) == []
    assert rules(FileChange("a", "file", SECRET.encode(), SECRET.encode())) == ["secret"]


def test_secret_in_a_files_name_is_found() -> None:
    found = judge_change([FileChange(f"notes/{SECRET}.txt", "file", b"x")], POLICY)
    assert [v.rule for v in found] == ["secret"] and SECRET not in str(found[0])


def test_names_that_differ_by_case_alone_are_refused() -> None:
    assert rules(FileChange("README.md", "file"), FileChange("readme.md", "file")) == ["path"]


def test_size_is_bounded() -> None:
    policy = Policy(max_files=1, max_file_bytes=3, max_total_bytes=5)
    assert rules(FileChange("a", "file", b"1234"), FileChange("b", "file", b"12"), policy=policy) == ["size"] * 3


def test_secret_in_base64_that_is_broken_into_lines_is_found() -> None:
    text = base64.encodebytes(b"x" * 50 + SECRET.encode() + b"y" * 50)
    assert b"\n" in text.strip()
    assert "secret" in rules(FileChange("a", "file", text))


def test_link_through_another_link_is_refused() -> None:
    first, second = FileChange("l", "symlink", b"."), FileChange("m", "symlink", b"l/.git/config")
    assert rules(first, second) == ["symlink"]
    assert rules(FileChange("d/l", "symlink", b".."), FileChange("p", "symlink", b"d/l/../../x")) == ["symlink"]
