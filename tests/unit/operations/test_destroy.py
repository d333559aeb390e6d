"""In which order a stack goes, and what around it stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.apply import NoHooks
from codexctl_ci.operations.apply_object import FIELD_MANAGER
from codexctl_ci.operations.destroy import DestroyOptions, destroy_stack
from codexctl_ci.operations.inventory import Entry, note_intent, read_inventory, record
from codexctl_ci.stack.objects import Manifest, Ref
from tests.contract.kube.stacks import config_map, layer
from tests.support.memory_cluster import MemoryCluster

OPTIONS = DestroyOptions("dev", "shop", wait=False)


OURS = [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {}}]


def placed(name: str, **meta: Any) -> Manifest:
    return config_map(name) | {"metadata": {"name": name, "namespace": "shop", "managedFields": OURS, **meta}}


def ref(name: str) -> Ref:
    return Ref("v1", "ConfigMap", name, "shop")


class Noted(NoHooks):
    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def before_all(self) -> None:
        self._cluster.calls.append(("hook", "before all"))

    def before_layer(self, number: int) -> None:
        self._cluster.calls.append(("hook", f"before {number}"))

    def after_layer(self, number: int) -> None:
        self._cluster.calls.append(("hook", f"after {number}"))

    def after_all(self) -> None:
        self._cluster.calls.append(("hook", "after all"))


def test_last_layer_goes_first_with_its_hooks_around_it() -> None:
    cluster = MemoryCluster(placed("db"), placed("web"), placed("old"))
    old = cluster.get(ref("old"))
    assert old is not None
    record(cluster, read_inventory(cluster, "shop", "dev"), [Entry(ref("old"), old["metadata"]["uid"])])
    cluster.calls.clear()
    destroy_stack(
        cluster,
        [layer(config_map("db"), name="stateful"), layer(config_map("web"), name="edge")],
        OPTIONS,
        hooks=Noted(cluster),
    )
    assert [what for verb, what in cluster.calls if verb in ("delete", "hook")] == [
        "before all",
        "ConfigMap/old in shop",
        "before 1",
        "ConfigMap/web in shop",
        "after 1",
        "before 0",
        "ConfigMap/db in shop",
        "after 0",
        "ConfigMap/codexctl-inventory-dev in shop",
        "after all",
    ]


def test_what_a_killed_run_made_goes_too_but_not_anothers_of_that_name() -> None:
    made = {"creationTimestamp": "2026-01-01T00:00:05Z"}
    cluster = MemoryCluster(placed("lost", **made), placed("strange", managedFields=[], **made))
    note_intent(
        cluster,
        read_inventory(cluster, "shop", "dev"),
        [ref("lost"), ref("strange")],
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    result = destroy_stack(cluster, [], OPTIONS, hooks=NoHooks())
    assert result.deleted == (ref("lost"),)
    assert cluster.get(ref("strange")) is not None


def test_a_dry_run_and_a_filtered_run_leave_what_is_left_over() -> None:
    cluster = MemoryCluster(placed("old"))
    old = cluster.get(ref("old"))
    assert old is not None
    record(cluster, read_inventory(cluster, "shop", "dev"), [Entry(ref("old"), old["metadata"]["uid"])])
    planned = destroy_stack(cluster, [], DestroyOptions("dev", "shop", dry_run=True), hooks=NoHooks())
    assert planned.deleted == (ref("old"),)
    part = destroy_stack(cluster, [], DestroyOptions("dev", "shop", wait=False, whole=False), hooks=NoHooks())
    assert part.deleted == () and cluster.get(ref("old")) is not None


def test_who_may_not_list_inventories_still_sees_those_that_share_a_namespace_by_default() -> None:
    cluster = MemoryCluster(placed("shared"))
    record(cluster, read_inventory(cluster, "shop", "ai-staging"), [Entry(ref("shared"), "some-uid")])
    cluster.faults["list", "ConfigMap"] = [ApiError("list", status=403, kind="Forbidden")]
    result = destroy_stack(cluster, [layer(config_map("shared"))], OPTIONS, hooks=NoHooks())
    assert result.kept == ((ref("shared"), "is in codexctl-inventory-ai-staging too"),)
