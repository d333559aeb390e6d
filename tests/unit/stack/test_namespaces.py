"""Namespaces of slots other than the one the project was loaded for."""

from __future__ import annotations

from pathlib import Path

from tests.support.projects import load


def test_namespace_of_each_slot_comes_from_the_pattern_as_written(tmp_path: Path) -> None:
    text = """
    project: shop
    namespace:
      patterns:
        ai: "x-{{ project }}-{{ slot }}"
    """
    project = load(tmp_path, text, env="ai", slot=4)
    assert (project.namespace, project.namespace_for("ai", 9)) == ("x-shop-4", "x-shop-9")
