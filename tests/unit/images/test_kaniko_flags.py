"""What we say to Kaniko is what its executor understands, by the list of flags that it publishes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from codexctl_ci.images.kaniko import KanikoOptions, kaniko_arguments
from codexctl_ci.images.kaniko_executor import KanikoExecutor
from codexctl_ci.stack.images import BuiltImage

LINES = [
    line.split() for line in Path(__file__).with_name("kaniko-flags.txt").read_text().splitlines() if line[0] != "#"
]
EVERYWHERE = {name: kind for name, kind, *fork in LINES if not fork}
OPTIONS = KanikoOptions(
    insecure=True,
    skip_tls_verify=True,
    skip_tls_verify_pull=True,
    mirrors=("mirror-a", "mirror-b"),
    ignore=("/a", "/b"),
    platform="linux/arm64",
)


def understood(arguments: list[str]) -> list[str]:
    """What Kaniko would refuse or read otherwise than it is meant."""
    found = []
    counts = Counter(argument.partition("=")[0] for argument in arguments)
    for argument in arguments:
        flag, value, _ = argument.partition("=")
        kind = EVERYWHERE.get(flag.removeprefix("--"), "")
        if not flag.startswith("--") or not kind or bool(value) is (kind == "switch"):
            found.append(argument)
        elif kind != "list" and counts[flag] > 1:
            found.append(f"{argument} {counts[flag]} times")
    return found


def test_every_flag_is_one_that_kaniko_has_in_all_its_versions() -> None:
    arguments = kaniko_arguments(
        OPTIONS,
        context="/src",
        dockerfile="/src/Dockerfile",
        destinations=["registry/a:1", "other/a:1"],
        argument_names=["A", "B"],
        labels={"a": "1", "b": "2"},
        digest_file="/digest",
    )
    assert len({argument.partition("=")[0] for argument in arguments}) == 14
    assert understood(arguments) == []


def test_executor_here_is_called_with_its_flags_alone(tmp_path: Path) -> None:
    said = tmp_path / "said"
    executor = tmp_path / "executor"
    executor.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{said}\n'
        'for word; do case $word in --digest-file=*) echo sha256:1 >"${word#*=}";; esac; done\n'
    )
    executor.chmod(0o755)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    image = BuiltImage("a", "registry/a", "1", context=".", dockerfile="Dockerfile", build_args={"A": "x"})
    builder = KanikoExecutor(executor, tmp_path, OPTIONS, {"PATH": "/usr/bin:/bin"})
    assert builder.build(image, ["registry/a:1"], {"a": "1"}) == "sha256:1"
    arguments = said.read_text().splitlines()
    assert "--cleanup" in arguments and understood(arguments) == []


@pytest.mark.parametrize(
    "wrong", ["--insecure=true", "--customPlatform=x", "--context", "--annotation=a=b", "context=x"]
)
def test_what_kaniko_would_refuse_is_seen(wrong: str) -> None:
    assert understood([wrong]) == [wrong]
