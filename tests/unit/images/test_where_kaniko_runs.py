"""Where Kaniko may unpack over a runner: in containers whose image brings it at its own place."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.cli.wiring.images import made_for_kaniko

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        (["kaniko/executor"], POD, True),
        (["kaniko/executor", ".dockerenv"], {}, True),
        (["kaniko/executor", "run/.containerenv"], {}, True),
        (["kaniko/executor"], {}, False),
        (["usr/local/bin/executor", ".dockerenv"], POD, False),
        ([], POD, False),
    ],
    ids=["pod", "docker", "podman", "machine", "elsewhere", "none"],
)
def test_container_with_kaniko_at_its_own_place_is_made_for_it(
    tmp_path: Path, files: list[str], environ: dict[str, str], expected: bool
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [name for name in files if name.endswith("executor")] or ["kaniko/executor"]
    assert made_for_kaniko(tmp_path / found[0], environ, tmp_path) is expected
