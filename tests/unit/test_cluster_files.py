"""What an operator copies from examples/cluster hangs together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from codexctl_ci.cli.table import variable_names
from codexctl_ci.images.dockerfile import base_images, instructions

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "examples/cluster"
SETS = ("arc-values.yaml", "arc-values-staging.yaml")
CHART_KEYS = {
    *(
        "githubConfigUrl",
        "githubConfigSecret",
        "proxy",
        "maxRunners",
        "minRunners",
        "runnerGroup",
        "runnerScaleSetName",
    ),
    *("fullnameOverride", "githubServerTLS", "keyVault", "containerMode", "listenerTemplate", "listenerMetrics"),
    *("template", "controllerServiceAccount", "namespaceOverride", "annotations", "labels", "resourceMeta"),
}
"""The keys of the chart's own values.yaml (0.13); its JSON Schema, since 0.14, leaves all of them free."""
LONGEST_NAME = 45


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CLUSTER / name).read_text())
    return found


@pytest.mark.parametrize("name", SETS)
def test_values_are_what_the_chart_takes(name: str) -> None:
    found = values(name)
    assert set(found) <= CHART_KEYS
    assert 0 <= found["minRunners"] <= found["maxRunners"] and len(found["runnerScaleSetName"]) <= LONGEST_NAME
    # The chart takes a name alone as that of a Secret, and changes the container of this name.
    assert isinstance(found["githubConfigSecret"], str)
    (container,) = found["template"]["spec"]["containers"]
    assert (container["name"], container["command"]) == ("runner", ["/home/runner/run.sh"])
    assert {variable["name"] for variable in container["env"]} <= variable_names()


@pytest.mark.parametrize("name", SETS)
def test_runners_have_the_account_that_is_shipped(name: str) -> None:
    objects = [item for item in yaml.safe_load_all((CLUSTER / "runner.yaml").read_text()) if item]
    accounts = [item["metadata"] for item in objects if item["kind"] == "ServiceAccount"]
    assert [a["name"] for a in accounts] == [values(name)["template"]["spec"]["serviceAccountName"]]
    assert f"-n {accounts[0]['namespace']} " in (CLUSTER / name).read_text()


def test_each_set_is_named_by_the_wrappers_of_its_kind() -> None:
    names = [values(name)["runnerScaleSetName"] for name in SETS]
    assert len(set(names)) == 2
    for file, own in zip(SETS, names, strict=True):
        assert f"runs-on: {own}" in (CLUSTER / file).read_text()
    cleanup = yaml.load((ROOT / ".github/workflows/ai_cleanup.yml").read_text(), yaml.BaseLoader)
    assert "runs-on-staging" in cleanup["on"]["workflow_call"]["inputs"]


def test_one_image_serves_runners_and_the_collector() -> None:
    (collector,) = yaml.safe_load((CLUSTER / "gc.yaml").read_text())["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    images = {values(name)["template"]["spec"]["containers"][0]["image"] for name in SETS} | {collector["image"]}
    assert len(images) == 1 and f"-t {images.pop()} ." in (CLUSTER / "runner.Dockerfile").read_text()
    assert {variable["name"] for variable in collector["env"]} - {"HOME"} <= variable_names()


def test_image_of_runners_has_the_uv_that_is_locked_and_all_that_sets_a_command_line_up() -> None:
    text = (CLUSTER / "runner.Dockerfile").read_text()
    locked = re.search(r"^uv==([\d.]+)", (ROOT / "requirements/uv.txt").read_text(), re.MULTILINE)
    assert locked and f"ghcr.io/astral-sh/uv:{locked[1]}" in base_images(text, {})
    copied = {line.split()[1] for line in instructions(text) if line.startswith("COPY ") and "--from" not in line}
    assert copied == {"actions", "requirements", "codexctl_ci"} and all((ROOT / name).is_dir() for name in copied)


def test_every_file_stands_in_the_table_of_contents() -> None:
    listed = set(re.findall(r"`([\w.-]+\.(?:yaml|Dockerfile))`", (CLUSTER / "README.md").read_text()))
    assert listed == {file.name for file in CLUSTER.iterdir()} - {"README.md"}
