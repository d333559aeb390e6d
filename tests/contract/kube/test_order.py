"""In which order a stack without groups reaches the API server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.apply import apply_stack
from codexctl_ci.stack.rendering import render
from sandbox.faulty_proxy import Call, Delay, FaultyProxy, Refuse
from tests.contract.kube.stacks import Waits, config_map, options, secret, service
from tests.support.projects import load, write_files

pytestmark = pytest.mark.sandbox

SERVICES = """
project: shop
infrastructure:
  - {name: y, manifests: [{path: y.yaml}]}
  - {name: x, manifests: [{path: x.yaml}]}
services:
  - {name: b, manifests: [{path: b.yaml}]}
  - {name: a, manifests: [{path: a.yaml}]}
"""
GO = SERVICES.replace("project", "registry: '{{ .Env }}'\nproject")
# All at once they would go Services first, then Secrets, then ConfigMaps.
FILES = {
    "y.yaml": json.dumps(config_map("y", key="1")),
    "x.yaml": json.dumps(secret("x")),
    "b.yaml": json.dumps(config_map("b", key="1")),
    "a.yaml": json.dumps(service("a")),
}


@pytest.fixture
def written(proxy: FaultyProxy) -> list[str]:
    """Names of the objects applied, in the order of the server's answers: at once, those sent first come last."""
    names: list[str] = []
    for name, seconds in (("y", 0.2), ("x", 0.1), ("b", 0.05)):
        proxy.on(Delay(seconds), method="PATCH", path=f"/{name}$", times=None)
    seen = Call(lambda request: names.append(request.path.rpartition("/")[2]), after=True)
    proxy.on(seen, method="PATCH", query="^(?!.*dryRun)", times=None)
    return names


@pytest.mark.parametrize(("text", "turns"), [(GO, "y x b a"), (SERVICES, "xy ab")], ids=["go", "jinja"])
def test_infrastructure_is_there_before_services_and_a_go_stack_goes_as_written(
    through: Cluster, written: list[str], namespace: str, tmp_path: Path, text: str, turns: str
) -> None:
    waits = Waits()
    layers = render(load(write_files(tmp_path, FILES), text, namespace=namespace)).layers
    apply_stack(through, layers, options(namespace), wait=waits)
    came = iter(written)
    assert [{next(came) for _ in turn} for turn in turns.split()] == [set(turn) for turn in turns.split()]
    assert len(waits.asked) == 1, "nothing is waited for in between"


def test_what_is_refused_ends_it_before_the_next_turn(
    through: Cluster, proxy: FaultyProxy, written: list[str], namespace: str, tmp_path: Path
) -> None:
    proxy.on(Refuse(422), method="PATCH", path="/x$", times=1)
    layers = render(load(write_files(tmp_path, FILES), GO, namespace=namespace)).layers
    with pytest.raises((ApiError, CodexctlError)):
        apply_stack(through, layers, options(namespace))
    assert written == ["y"]
    apply_stack(through, layers, options(namespace))
    assert written == ["y", "x", "b", "a"]
