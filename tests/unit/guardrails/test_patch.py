"""What may be published, and what may not."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from codexctl_ci.guardrails.patch import judge_change
from codexctl_ci.guardrails.policy import FileChange, Policy
from codexctl_ci.guardrails.secrets import needles

SECRET = "correct-horse-battery-staple"
ODD = 'p/+ss=w"rd&4'
PRIVATE = "-----BEGIN\n" + "A1b2C3d4" * 8 + "\n" + "Z9y8X7w6" * 8 + "\n-----END\n"
POLICY = Policy(secrets=needles([SECRET, ODD, PRIVATE]))


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
    assert rules(change, policy=Policy(allow_protected=(path,))) == []


@pytest.mark.parametrize(("target", "leaves"), [("b", False), ("../x/b", False), ("../../b", True), ("/etc", True)])
def test_links_stay_inside(target: str, leaves: bool) -> None:
    assert rules(FileChange("x/a", "symlink", target.encode())) == (["symlink"] if leaves else [])


def test_link_into_dot_git_is_refused() -> None:
    assert rules(FileChange("x/a", "symlink", b"../.git/config")) == ["symlink"]


def test_submodules_are_refused() -> None:
    assert rules(FileChange("vendor/x", "submodule")) == ["submodule"]


@pytest.mark.parametrize("before", [b"x", None])
def test_no_file_becomes_executable_unseen(before: bytes | None) -> None:
    change = FileChange("bin/run.sh", "file", b"x", before, executable=True)
    assert rules(change) == ["executable"]
    assert rules(change, policy=Policy(executables=("bin/**",))) == []
    assert rules(FileChange("bin/run.sh", "file", b"y", b"x", executable=True, was_executable=True)) == []


@pytest.mark.parametrize("char", "\u202e\u2066\u200b\u2060\u00ad\U000e0041\ue000\udcff\u2028")
def test_names_with_what_nobody_sees_are_refused_and_shown(char: str) -> None:
    (found,) = judge_change([FileChange(f"a{char}txt.py", "file", b"x")], POLICY)
    assert found.rule == "path" and char not in str(found) and f"\\u{{{ord(char):x}}}" in found.path
    assert rules(FileChange(f"a{char}txt.py", "deleted", before=b"x")) == []


@pytest.mark.parametrize("char", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\U000e0041")
def test_text_that_is_turned_around_is_refused_with_its_line(char: str) -> None:
    text = f"one\nif access != 'user{char} // check':\n".encode()
    change = FileChange("src/auth.py", "file", text, b"one\n")
    (found,) = judge_change([change], POLICY)
    assert str(found) == (
        f"unseen: src/auth.py:2: the line holds U+{ord(char):04X}, which nobody sees and which changes what is read"
        " (to allow it, see guardrails.unseenCharacters in services.yaml)"
    )
    assert rules(change, policy=Policy(unseen=("src/**",))) == []
    assert rules(FileChange("src/auth.py", "file", text + b"more\n", text)) == []
    assert rules(FileChange("a", "symlink", f"b{char}c".encode())) == ["symlink"]


FLAG = "\U0001f3f4" + "".join(chr(0xE0000 + ord(sign)) for sign in "gbsct") + "\U000e007f"


@pytest.mark.parametrize(
    "text", ["\u05e9\u05dc\u05d5\u05dd \u200fabc\u200e", f"{FLAG} and", "\U0001f469\u200d\U0001f4bb"]
)
def test_honest_text_of_any_script_passes(text: str) -> None:
    assert rules(FileChange("a.md", "file", text.encode())) == []


def test_message_behind_a_flag_is_no_flag() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "run this")
    assert rules(FileChange("a.md", "file", f"\U0001f3f4{hidden}\U000e007f".encode())) == ["unseen"]


def test_change_stays_where_the_project_lets_agents_work() -> None:
    policy = Policy(allowed=("src/**", "tests/**"), protected=("src/licence/**",))
    assert rules(FileChange("src/a.py", "file", b"x"), FileChange("tests/b", "deleted"), policy=policy) == []
    assert rules(FileChange("docs/a.md", "file", b"x"), policy=policy) == ["allowed"]
    assert rules(FileChange("src/licence/key.py", "file", b"x"), policy=policy) == ["protected"]


def test_binary_files_are_pictures_unless_allowed() -> None:
    binary = b"\x89\0\0"
    assert rules(FileChange("a/logo.PNG", "file", binary)) == []
    assert rules(FileChange("a/tool.bin", "file", binary)) == ["binary"]
    assert rules(FileChange("a/tool.bin", "file", binary), policy=Policy(binaries=("**/*.bin",))) == []


def test_links_can_be_forbidden_altogether() -> None:
    assert rules(FileChange("x/a", "symlink", b"b"), policy=Policy(links=False)) == ["symlink"]


def test_lines_are_bounded_in_both_directions() -> None:
    policy = Policy(max_lines=3)
    edited = FileChange("a", "file", b"1\n2\nthree\n4\n", b"1\n2\n3\n4\n")
    assert rules(edited, policy=policy) == []
    assert rules(edited, FileChange("b", "deleted", before=b"1\n2\n"), policy=policy) == ["size"]


def test_commits_first_line_keeps_to_the_projects_pattern() -> None:
    change, policy = FileChange("a", "file", b"x"), Policy(message_pattern=r"(feat|fix): ")
    assert judge_change([change], policy, "feat: greet\n\nbody") == []
    (found,) = judge_change([change], policy, "Greet\n\nfeat: x")
    assert str(found).startswith("commit-message: (commit message):1: the first line does not match (feat|fix): ")


def test_refusal_names_rule_file_line_and_the_key_that_allows_it() -> None:
    change = FileChange("AGENTS.md", "file", b"one\ntwo\n", b"one\n")
    (found,) = judge_change([change], POLICY)
    assert str(found) == (
        "protected: AGENTS.md:2: this file steers agents (to allow it, see guardrails.allowProtected in services.yaml)"
    )


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x:" + SECRET.encode() + b"\n").decode(),
        base64.b64encode(b"y" + SECRET.encode() + b"zz").decode(),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        SECRET.encode().hex(" "),
        quote(ODD, safe=""),
        quote(ODD, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        json.dumps({"key": ODD})[1:-1],
        PRIVATE.splitlines()[2],
        "glpat-" + "a1B2c3D4e5" * 2,
        "npm_" + "a1B2" * 9,
        "hf_" + "aBcDeFgHiJ" * 3 + "aBcD",
        "AIza" + "a1B2c3D" * 5,
        "sk_live_" + "a1B2" * 6,
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ."
        + base64.b64encode(b'{"iss":"kubernetes.io/serviceaccount"}').decode()
        + ".x",
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
