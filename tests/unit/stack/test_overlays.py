"""What services.yaml changes in a service's objects, in each dialect."""

from __future__ import annotations

from typing import Any

import pytest

from codexctl_ci.stack.overlays import apply_service, pod_spec, set_pull_policy
from codexctl_ci.stack.reading import read
from codexctl_ci.stack.schema import ServiceSpec
from codexctl_ci.templating.dialect import Dialect

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def workload(kind: str = "Deployment", name: str = "api", **pod: Any) -> dict[str, Any]:
    pod = pod or {"containers": [{"name": "main", "image": "old"}, {"name": "side", "image": "old"}]}
    template: dict[str, Any] = {"template": {"spec": pod}}
    spec = {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(**keys: Any) -> ServiceSpec:
    found, faults = read(ServiceSpec, {"name": "api", **keys})
    assert found and not faults, faults
    return found


IMAGE = {"repository": "r/api", "tagTemplate": "2"}


def images(manifest: dict[str, Any]) -> list[Any]:
    pod = pod_spec(manifest) or {}
    return [c.get("image") for key in ("initContainers", "containers") for c in pod.get(key) or ()]


@pytest.mark.parametrize("kind", KINDS)
def test_jinja_replaces_the_image_of_every_kind_of_workload(kind: str) -> None:
    (changed,) = apply_service([workload(kind)], service(image=IMAGE), "dev", Dialect.JINJA)
    assert images(changed) == ["r/api:2", "old"]


@pytest.mark.parametrize("kind", KINDS)
def test_go_replaces_the_image_of_deployments_alone(kind: str) -> None:
    (changed,) = apply_service([workload(kind)], service(image=IMAGE), "dev", Dialect.GO)
    assert images(changed) == (["r/api:2", "old"] if kind == "Deployment" else ["old", "old"])


@pytest.mark.parametrize(("dialect", "image"), [(Dialect.JINJA, "old"), (Dialect.GO, "r/api:2")])
def test_only_jinja_asks_for_the_services_name(dialect: Dialect, image: str) -> None:
    (changed,) = apply_service([workload(name="other")], service(image=IMAGE), "dev", dialect)
    assert images(changed)[0] == image


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [(Dialect.JINJA, ["r/api:2", "else", None, "r/api:2"]), (Dialect.GO, ["r/api:2", "else", "r/api:2", "r/api:2"])],
)
def test_init_containers_follow_the_first_container(dialect: Dialect, expected: list[str | None]) -> None:
    manifest = workload(
        initContainers=[{"name": "a", "image": "old"}, {"name": "b", "image": "else"}, {"name": "c"}],
        containers=[{"name": "main", "image": "old"}],
    )
    (changed,) = apply_service([manifest], service(image=IMAGE), "dev", dialect)
    assert images(changed) == expected


def test_an_image_without_a_tag_is_its_repository() -> None:
    (changed,) = apply_service([workload()], service(image={"repository": "r/api@sha256:1"}), "dev", Dialect.JINJA)
    assert images(changed)[0] == "r/api@sha256:1"


OVERLAY = {
    "dev": {
        "pvcMounts": [
            {"name": "data", "claimName": "c", "mountPath": "/a", "subPath": "s", "readOnly": True},
            {"name": "data", "claimName": "c", "mountPath": "/b"},
        ],
        "hostMounts": [{"name": "src", "hostPath": "/h", "mountPath": "/c"}],
        "dropKinds": ["ingress"],
    }
}


def mounted(dialect: Dialect, env: str = "dev") -> dict[str, Any]:
    manifest = workload(
        initContainers=[{"name": "same", "image": "old"}, {"name": "other", "image": "else"}],
        containers=[
            {"name": "main", "image": "old", "volumeMounts": [{"name": "data", "mountPath": "/x"}, {"name": "keep"}]},
            {"name": "side", "image": "old"},
        ],
        volumes=[{"name": "data", "emptyDir": {}}, {"name": "keep", "emptyDir": {}}],
    )
    ingress = {"apiVersion": "v1", "kind": "Ingress", "metadata": {"name": "api"}, "spec": {}}
    changed = apply_service([manifest, ingress], service(overlays=OVERLAY), env, dialect)
    assert len(changed) == (1 if env == "dev" else 2)
    return pod_spec(changed[0]) or {}


def test_mounts_replace_those_of_the_same_name() -> None:
    pod = mounted(Dialect.JINJA)
    assert pod["volumes"] == [
        {"name": "keep", "emptyDir": {}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "src", "hostPath": {"path": "/h"}},
    ]
    assert pod["containers"][0]["volumeMounts"] == [
        {"name": "keep"},
        {"name": "data", "mountPath": "/a", "subPath": "s", "readOnly": True},
        {"name": "data", "mountPath": "/b"},
        {"name": "src", "mountPath": "/c"},
    ]


@pytest.mark.parametrize(("dialect", "expected"), [(Dialect.JINJA, [3, 0, 4, 0]), (Dialect.GO, [3, 3, 4, 0])])
def test_which_containers_get_mounts(dialect: Dialect, expected: list[int]) -> None:
    pod = mounted(dialect)
    counts = [len(c.get("volumeMounts", ())) for key in ("initContainers", "containers") for c in pod[key]]
    assert counts == expected


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_overlay_is_of_its_own_environment_alone(dialect: Dialect) -> None:
    assert mounted(dialect, env="ai")["volumes"] == [{"name": "data", "emptyDir": {}}, {"name": "keep", "emptyDir": {}}]


@pytest.mark.parametrize("kind", [*KINDS, "Pod"])
def test_the_pull_policy_is_set_where_there_is_none(kind: str) -> None:
    containers = [{"name": "a"}, {"name": "b", "imagePullPolicy": "Never"}]
    manifest = workload(kind, containers=containers, initContainers=[{"name": "i"}])
    if kind == "Pod":
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": pod_spec(workload(containers=containers, initContainers=[{"name": "i"}])),
        }
    set_pull_policy([manifest, {"kind": "Service", "metadata": {}, "spec": {"template": 1}}], "Always")
    pod = pod_spec(manifest) or {}
    policies = [c["imagePullPolicy"] for key in ("initContainers", "containers") for c in pod[key]]
    assert policies == ["Always", "Always", "Never"]


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"template": None},
        {"template": {"spec": {"containers": None}}},
        {"template": {"spec": {"containers": ["x"]}}},
    ],
)
def test_workloads_that_are_not_well_formed_are_left_to_the_api_to_refuse(spec: Any) -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}
    apply_service([manifest], service(image=IMAGE, overlays=OVERLAY), "dev", Dialect.JINJA)
    set_pull_policy([manifest], "Always")
