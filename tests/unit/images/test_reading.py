"""Names of images, .dockerignore, Dockerfiles, contexts and the content key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.images.content_key import Ingredients, content_key
from codexctl_ci.images.context import describe_context, files_of, hash_of, ignore_of
from codexctl_ci.images.dockerfile import base_images
from codexctl_ci.images.dockerignore import Ignore
from codexctl_ci.images.file_hashes import FileHashes
from codexctl_ci.images.named_contexts import with_stages
from codexctl_ci.images.reference import parse_reference

SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "whole", "version"),
    [
        ("busybox", "docker.io/library/busybox:latest", "latest"),
        ("busybox:1.37.0", "docker.io/library/busybox:1.37.0", "1.37.0"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1", "1"),
        ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1", "v1"),
        ("registry:5000/app", "registry:5000/app:latest", "latest"),
        ("localhost/app:1", "localhost/app:1", "1"),
        (f"r.example/app:1@{SHA}", f"r.example/app@{SHA}", SHA),
    ],
)
def test_image_names_are_read_as_docker_reads_them(text: str, whole: str, version: str) -> None:
    found = parse_reference(text)
    assert (str(found), found.version) == (whole, version)


@pytest.mark.parametrize("text", ["", "UPPER", "a b", "r.example/", "app:", "../x", "app@sha256:1", "app:a/b", "-x"])
def test_what_names_no_image_is_refused(text: str) -> None:
    if text == "app:":
        assert parse_reference(text).version == "latest"
        return
    with pytest.raises(ConfigError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("rules", "left_out", "kept"),
    [
        (["node_modules"], ["node_modules", "node_modules/a/b"], ["web/node_modules", "node_modules2"]),
        (["**/node_modules"], ["node_modules/x", "web/node_modules/x"], ["web/src"]),
        (["*.log", "!keep.log"], ["a.log"], ["keep.log", "sub/a.log"]),
        (["**/*.pyc"], ["a.pyc", "x/y/a.pyc"], ["a.py"]),
        (["*", "!src", "!package.json"], ["README.md", "docs/a"], ["src", "src/a/b", "package.json"]),
        (["!src", "*"], ["src"], []),
        (["/dist/", "# dist2", "", "  spaced  "], ["dist/a", "spaced"], ["dist2", "# dist2"]),
        (["a/**/z"], ["a/z", "a/b/c/z"], ["a/b"]),
        (["file?.txt", "[ab].c"], ["file1.txt", "a.c"], ["file10.txt", "c.c"]),
        (["./build"], ["build/x"], []),
        (["secret\\*"], ["secret*"], ["secret1"]),
        (["docs", "!docs/README.md"], ["docs/a.md"], ["docs/README.md"]),
        # What ** means depends on what stands beside it.
        (["**foo"], ["foo", "xfoo", "a/xfoo/b"], ["foox"]),
        (["**.go*"], [".go1", "a/.go1"], ["x.go1"]),
        (["a**b"], ["ab", "ax/b", "a/x/b"], ["axb", "a/xb"]),
        (["f**"], ["foo", "f/x"], ["a/f"]),
        (["**"], ["a", "a/b"], []),
        (["a/**"], ["a/b"], ["a", "ab"]),
        # A folder of its own taken back takes back what a rule before left out in it.
        (["a/*", "!a"], [], ["a", "a/b"]),
        (["[^a]", "!\\[x\\]", "[a-c]?"], ["b", "[", "bb"], ["a", "[x]", "dd"]),
        (["docs\r", " #a\r", "a b \r"], ["docs/x", "#a", "a b"], ["a"]),
        (["/", ".", "..", "../a", "x\x0cy"], ["x\x0cy"], ["a", "x", "y"]),
    ],
)
def test_dockerignore_leaves_out_what_docker_does(rules: list[str], left_out: list[str], kept: list[str]) -> None:
    ignore = Ignore("\n".join(rules))
    assert [path for path in left_out if not ignore.ignores(path)] == []
    assert [path for path in kept if ignore.ignores(path)] == []


@pytest.mark.parametrize("rule", ["[a", "a[", "[]a]", "[b-a]", "a\\", "!", "! ", "!/."])
def test_pattern_that_docker_refuses_is_named_with_its_file(rule: str) -> None:
    with pytest.raises(ConfigError, match="is no pattern") as caught:
        Ignore(f"ok\n{rule}\n", "api/.dockerignore")
    assert caught.value.obj == "api/.dockerignore" and repr(rule.strip()) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("FROM debian:12", {}, ["debian:12"]),
        ("from --platform=$BUILDPLATFORM golang:1 as build\nFROM scratch\nCOPY --from=build /a /b", {}, ["golang:1"]),
        ("FROM a AS x\nFROM x\nCOPY --from=0 /a /b\nCOPY --from=nginx:1 /c /d", {}, ["a", "nginx:1"]),
        ("ARG TAG=1\nARG BASE=r/app:${TAG}\nFROM $BASE", {}, ["r/app:1"]),
        ("ARG TAG=1\nFROM r/app:${TAG:-9}", {"TAG": "2"}, ["r/app:2"]),
        ("ARG TAG\nFROM r/app:${TAG:-9}${X:+no}", {}, ["r/app:9"]),
        ("FROM a\nARG B=c\nFROM ${B:-d}", {"B": "e"}, ["a", "d"]),
        ("# syntax=docker/dockerfile:1\n# FROM no\nFROM \\\n  a:1 \\\n AS b", {}, ["a:1"]),
        (
            "FROM a\nRUN --mount=type=bind,from=tools:1,source=/x make\nRUN --mount=type=cache,target=/c true",
            {},
            ["a", "tools:1"],
        ),
        ("FROM a\nRUN <<EOF\nFROM b\nCOPY --from=c x y\nEOF\nFROM d", {}, ["a", "d"]),
        ("FROM a\nCOPY --from=common x y", {}, ["a"]),
        ("# escape=`\nFROM `\n  a", {}, ["a"]),
        ("FROM a\nFROM a", {}, ["a"]),
    ],
)
def test_bases_of_a_dockerfile(text: str, arguments: dict[str, str], expected: list[str]) -> None:
    assert base_images(text, arguments, frozenset({"common"})) == expected


def test_named_contexts_become_stages_before_the_first() -> None:
    text = "# syntax=x\nARG A=1\nFROM base:$A\nCOPY --from=common a b"
    found = with_stages(text, {"common": "shared", "tools": "docker-image://r/tools:1"})
    assert found.splitlines() == [
        "# syntax=x",
        "ARG A=1",
        "FROM scratch AS common",
        "COPY .codexctl-contexts/common/ /",
        "FROM r/tools:1 AS tools",
        "FROM base:$A",
        "COPY --from=common a b",
    ]


def tree(root: Path) -> Path:
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a")
    (root / ".git").mkdir()
    (root / ".git" / "index").write_text("x")
    (root / "skip.log").write_text("noise")
    (root / ".dockerignore").write_text("*.log\n")
    (root / "link").symlink_to("src/a.py")
    return root


def hashed(root: Path) -> str:
    return hash_of(describe_context(root, ignore_of(root, root / "Dockerfile"), FileHashes()))


def test_hash_of_a_context_changes_with_what_is_in_it_and_with_nothing_else(tmp_path: Path) -> None:
    root, other = tree(tmp_path / "one"), tree(tmp_path / "two")
    first = hashed(root)
    assert hashed(other) == first
    (root / ".git" / "index").write_text("y")
    (root / "skip.log").write_text("more noise")
    (root / "src" / "a.py").touch()
    assert hashed(root) == first
    seen = {first}
    (root / "src" / "a.py").chmod(0o755)
    seen.add(hashed(root))
    (root / "src" / "a.py").chmod(0o750)
    seen.add(hashed(root))
    (root / "src").chmod(0o700)
    seen.add(hashed(root))
    (root / "src" / "a.py").write_text("b")
    seen.add(hashed(root))
    (root / "empty").mkdir()
    seen.add(hashed(root))
    (root / "src" / "a.py").rename(root / "src" / "b.py")
    seen.add(hashed(root))
    (root / "link").unlink()
    (root / "link").symlink_to("src/b.py")
    seen.add(hashed(root))
    assert len(seen) == 8


def test_history_is_left_out_unless_a_rule_takes_just_that_back(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / ".dockerignore").write_bytes(b"\xef\xbb\xbf*.log\r\n!keep.log\r\nsrc\r\n")

    def paths() -> list[str]:
        return [path for path, _ in files_of(root, ignore_of(root, root / "Dockerfile"))]

    assert paths() == [".dockerignore", "link"]
    (root / ".dockerignore").write_text("*\n!.git\n")
    assert paths() == [".git", ".git/index"]


def test_rules_beside_the_dockerfile_win(tmp_path: Path) -> None:
    root = tree(tmp_path / "one")
    (root / "api.Dockerfile.dockerignore").write_text("*\n!src/a.py\n")
    assert [path for path, _ in files_of(root, ignore_of(root, root / "api.Dockerfile"))] == ["src/a.py"]


INGREDIENTS = Ingredients(
    "c", "FROM a", {"A": "1", "TOKEN": "t"}, frozenset({"TOKEN"}), {"x": "1"}, {"a": SHA}, "linux/amd64", "k"
)


def test_key_changes_with_every_ingredient() -> None:
    others = [
        replace(INGREDIENTS, context="d"),
        replace(INGREDIENTS, dockerfile="FROM b"),
        replace(INGREDIENTS, arguments={"A": "2", "TOKEN": "t"}),
        replace(INGREDIENTS, arguments={"A": "1", "TOKEN": "u"}),
        replace(INGREDIENTS, arguments={"A": "1", "TOKEN": "t", "B": ""}),
        replace(INGREDIENTS, secret_arguments=frozenset()),
        replace(INGREDIENTS, contexts={"x": "2"}),
        replace(INGREDIENTS, bases={"a": SHA.replace("a", "b")}),
        replace(INGREDIENTS, platform="linux/arm64"),
        replace(INGREDIENTS, builder="other"),
    ]
    keys = {content_key(INGREDIENTS), *(content_key(other) for other in others)}
    assert len(keys) == len(others) + 1
    assert content_key(replace(INGREDIENTS, arguments={"TOKEN": "t", "A": "1"})) == content_key(INGREDIENTS)
    assert all(len(key) == 32 for key in keys)


def test_values_of_arguments_do_not_show_in_what_is_printed() -> None:
    assert "hunter2" not in repr(replace(INGREDIENTS, arguments={"TOKEN": "hunter2"}))
