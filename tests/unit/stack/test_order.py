"""In which order things are deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.selection import Selection
from tests.support.projects import load


def layers(folder: Path, text: str, selection: Selection | None = None) -> list[str]:
    rendered = render(load(folder, "project: a\n" + text), selection)
    return [f"{layer.name}: {' '.join(item.name for item in layer.items)}" for layer in rendered.layers]


CASES = {
    "nothing": ("", []),
    "as written": (
        "services: [{name: b}, {name: a}]\ninfrastructure: [{name: y}, {name: x}]\n",
        ["stack: y x b a"],
    ),
    "groups": (
        """
services:
  - {name: web, deployGroup: frontend}
  - {name: gate, deployGroup: edge}
  - {name: plain}
  - {name: api, deployGroup: internal}
  - {name: migrate, deployGroup: migrations}
  - {name: db, deployGroup: stateful}
infrastructure: [{name: x}]
""",
        [
            "infrastructure: x",
            "stateful: db",
            "migrations: migrate",
            "internal: plain api",
            "edge: gate",
            "frontend: web",
        ],
    ),
    "dependsOn": (
        """
infrastructure: [{name: b, dependsOn: [A]}, {name: a}, {name: c}]
services:
  - {name: z, dependsOn: [y, b]}
  - {name: y, dependsOn: [x]}
  - {name: x, dependsOn: [c]}
  - {name: w}
""",
        ["infrastructure: a c", "infrastructure 2: b", "internal: x w", "internal 2: y", "internal 3: z"],
    ),
    "both": (
        """
services:
  - {name: c, deployGroup: stateful, dependsOn: [d]}
  - {name: d, deployGroup: stateful}
  - {name: e, deployGroup: frontend, dependsOn: [c]}
""",
        ["stateful: d", "stateful 2: c", "frontend: e"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layers(tmp_path: Path, case: str) -> None:
    text, expected = CASES[case]
    assert layers(tmp_path, text) == expected


def test_what_is_left_out_is_not_waited_for_and_changes_no_order(tmp_path: Path) -> None:
    text, _ = CASES["dependsOn"]
    selection = Selection(skip_services=("x",), only_infra=("c",))
    assert layers(tmp_path, text, selection) == ["infrastructure: c", "internal: w", "internal 2: y", "internal 3: z"]


def test_a_go_stack_without_groups_is_one_layer(tmp_path: Path) -> None:
    text = "registry: '{{ .Env }}'\ninfrastructure: [{name: x}]\nservices: [{name: b}, {name: a}]\n"
    assert layers(tmp_path, text) == ["stack: x b a"]


@pytest.mark.parametrize(("registry", "turns"), [("'{{ .Env }}'", [0, 1, 2, 3]), ("plain", [0, 0, 1, 1])])
def test_a_go_stack_goes_item_by_item_and_any_other_infrastructure_first(
    tmp_path: Path, registry: str, turns: list[int]
) -> None:
    items = "infrastructure: [{name: y}, {name: x}]\nservices: [{name: b}, {name: a}]\n"
    (stack,) = render(load(tmp_path, f"project: a\nregistry: {registry}\n{items}")).layers
    assert [item.turn for item in stack.items] == turns
