"""What of services.yaml is mirrored and built."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.images import BuiltImage, ExternalImage, image_plan
from tests.support.projects import load


def test_the_plan_has_all_that_mirroring_and_building_need(tmp_path: Path) -> None:
    services = """
        project: shop
        registry: r:5000
        images:
          base: {type: external, from: "docker.io/library/debian:12", local: "{{ registry }}/debian:12"}
          lib:
            type: build
            repository: "{{ registry }}/lib"
            tag: 1.0
            buildArgs: {BASE: "{{ registry }}/debian:12"}
          app:
            type: build
            repository: "{{ registry }}/app"
            tagTemplate: "{{ env }}-1"
            dockerfile: docker/app.Dockerfile
            context: app
            buildArgs: {LEVEL: 2}
            buildContexts: {lib: "docker-image://{{ registry }}/lib:1.0", proto: ./proto}
          bare: {type: build, repository: "{{ registry }}/bare"}
        """
    assert image_plan(load(tmp_path, services)) == (
        ExternalImage("base", "docker.io/library/debian:12", "r:5000/debian:12"),
        BuiltImage("lib", "r:5000/lib", "1.0", build_args={"BASE": "r:5000/debian:12"}, needs=("base",)),
        BuiltImage(
            "app",
            "r:5000/app",
            "dev-1",
            "docker/app.Dockerfile",
            "app",
            {"LEVEL": "2"},
            {"lib": "docker-image://r:5000/lib:1.0", "proto": "./proto"},
            ("lib",),
        ),
        BuiltImage("bare", "r:5000/bare", "latest"),
    )


def test_an_image_that_lacks_something_is_a_fault_only_when_it_is_used_in_go(tmp_path: Path) -> None:
    project = load(tmp_path, "project: a\nregistry: '{{ .Env }}'\nimages:\n  x: {type: external, from: f}\n")
    assert "image 'x' of type external needs local" in str(project.warnings[0])
    with pytest.raises(InvalidStack, match=r"services.yaml:4:3: image 'x' needs from and local"):
        image_plan(project)
