"""Whole commands on images that can't be had: exit code, image, cause, what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from tests.support.projects import write_files
from tests.unit.images.test_registry_client import MANIFEST, Answer, serving

BUILD = "project: shop\nimages:\n  api: {type: build, repository: HOST/api, tag: v1}\n"
COPY = 'project: shop\nimages:\n  base: {type: external, from: "HOST/up/base:1", local: "HOST/base:1"}\n'


def run(folder: Path, services: str, *words: str, **environ: str) -> int:
    write_files(folder, {"services.yaml": services, "Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), "CODEXCTL_CONFIG": str(folder / "services.yaml")}
    return main(list(words), {**given, **environ})


def executor(folder: Path, script: str) -> str:
    path = folder / "executor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def immutable(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    if method == "PUT":
        body = b'{"errors": [{"code": "TAG_INVALID", "message": "The image tag 1 already exists and is immutable"}]}'
        return 400, {}, body
    if "/manifests/" in path:
        return MANIFEST if "up/base" in path else (404, {}, b"")
    return 200, {}, b""


@pytest.mark.parametrize(("services", "image"), [(BUILD, "api"), (COPY, "base")], ids=["build", "mirror"])
def test_registry_that_is_away_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], services: str, image: str
) -> None:
    # A port that nobody listens at.
    kaniko = executor(tmp_path, "exit 1")
    code = run(tmp_path, services.replace("HOST", "127.0.0.1:9"), "ci", "images", CODEXCTL_KANIKO_EXECUTOR=kaniko)
    said = capsys.readouterr().err
    assert code == 1 and f"image {image}: " in said and "127.0.0.1:9" in said and "Connection refused" in said
    assert "next: is the registry up and reachable from here?" in said


def test_tag_that_may_not_move_when_mirroring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(immutable) as server:
        code = run(tmp_path, COPY.replace("HOST", server.host), "images", "mirror")
    said = capsys.readouterr().err
    assert code == 1 and "image base: " in said and "already exists and is immutable" in said
    assert "next: the registry lets no tag move: name another tag" in said


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        ("error pushing image: TAG_INVALID: tag v1 is immutable", "the registry lets no tag move"),
        ("error building image: write /big: no space left on device", "a disk is full: make room"),
        ("error building image: something else", "read the lines above"),
    ],
    ids=["immutable-tag", "full-disk", "anything"],
)
def test_build_that_fails_says_image_cause_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cause: str, advice: str
) -> None:
    kaniko = executor(tmp_path, f"echo '{cause}' >&2; exit 1")
    with serving(lambda *_: (404, {}, b"")) as server:
        code = run(tmp_path, BUILD.replace("HOST", server.host), "images", "build", CODEXCTL_KANIKO_EXECUTOR=kaniko)
    said = capsys.readouterr().err
    assert code == 1 and f"image api: Kaniko ended with exit code 1: {cause}" in said and f"next: {advice}" in said


def test_type_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, BUILD.replace("build,", "bulid,"), "images", "plan") == 2
    said = capsys.readouterr().err
    assert "services.yaml:3:9: images.api.type is 'bulid'" in said and "did you mean build?" in said
