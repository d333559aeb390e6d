"""What operators install is enough for slots, and for nothing outside of the project's own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.errors import ApiError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.gc import GcRequest, collect
from codexctl_ci.operations.link_pull import link_pull
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.leases import API_VERSION, KIND
from codexctl_ci.stack.objects import Manifest, Ref
from tests.support.projects import write_files
from tests.support.runner_account import shipped_runner
from tests.support.slot_scene import SlotScene

SERVICES = """
project: PROJECT
services:
  - name: web
    manifests: [{path: web.yaml}]
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "busybox:1.37.0"}]}
"""
Try = Callable[[Cluster, "Other"], object]


class Other:
    """Another project on the same cluster, or the one of ``name``: a slot of it, a Secret and a record."""

    def __init__(self, cluster: Cluster, name: str = "") -> None:
        self.name = name or f"o{uuid.uuid4().hex[:8]}"
        self.namespace = f"{self.name}-dev-1"
        labels = {"app.kubernetes.io/managed-by": "codexctl-ci", "codexctl.io/project": self.name}
        if not name:
            cluster.create(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
            )
        cluster.create(self.thing("v1", "Secret", "key"))
        cluster.create(self.thing(API_VERSION, KIND, "record"))
        cluster.create(self.thing("v1", "ServiceAccount", "deployer"))

    def thing(self, api_version: str, kind: str, name: str, **body: object) -> Manifest:
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


@pytest.fixture(scope="module")
def project() -> str:
    return f"p{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def runner(cluster: Cluster, project: str) -> Iterator[Cluster]:
    with shipped_runner(cluster, project) as made:
        yield made


@pytest.fixture(scope="module")
def other(cluster: Cluster) -> Iterator[Other]:
    made = Other(cluster)
    yield made
    cluster.delete(Ref("v1", "Namespace", made.namespace))


def test_runner_can_do_all_that_slots_need(cluster: Cluster, runner: Cluster, project: str) -> None:
    scene = SlotScene(cluster, f"{project}-ai-staging", project)
    record = scene.ensure(7, cluster=runner).record
    assert scene.ensure(7, cluster=runner).record.slot == record.slot
    link_pull(scene.store(runner), Claim("ai", "issue", 7), 12)
    with OperationLock(scene.store(runner), record.slot, what="apply") as lock:
        inside = deployer(runner, lock.record, lock.check)
        meta = {"name": "x", "namespace": record.namespace}
        inside.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}})
        inside.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta})
        assert inside.list("v1", "Secret", record.namespace).items
    assert collect(scene.store(runner), GcRequest(), go=scene.go(runner)) == []
    assert scene.clean(record.slot, cluster=runner).free


def test_commands_in_a_slot_work_as_the_runner(
    cluster: Cluster, runner: Cluster, project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = SlotScene(cluster, f"{project}-ai-staging", project)
    write_files(tmp_path, {"services.yaml": SERVICES.replace("PROJECT", project), "web.yaml": WEB})
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(runner))
    environ = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "CODEXCTL_CONFIG": str(tmp_path / "services.yaml")}
    slot = scene.ensure(31, cluster=runner).record.slot
    for words in (("apply", "--no-wait"), ("diff",), ("status",), ("destroy",)):
        code = main([*words, "--env", "ai", "--slot", str(slot)], environ)
        said = capsys.readouterr()
        assert code == 0, said.err
        assert words != ("status",) or f"Deployment/web in {project}-dev-{slot}" in said.out
    assert scene.clean(slot, cluster=runner).free


def kubeconfig_for(account: Cluster) -> str:
    server = {"server": account.connection.server, "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": account.connection.token}}],
        }
    )


def test_slot_of_the_go_tool_is_adopted_as_the_runner(cluster: Cluster, runner: Cluster, project: str) -> None:
    scene = SlotScene(cluster, f"{project}-ai-staging", project)
    own = scene.namespace_of(9)
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}})
    scene.go_config_map(9, issue="77", namespace=own)
    record = scene.ensure(77, cluster=runner).record
    assert (record.slot, record.namespace) == (9, own)
    assert scene.clean(9, cluster=runner).free


FORBIDDEN: dict[str, Try] = {
    "delete its namespace": lambda r, o: r.delete(Ref("v1", "Namespace", o.namespace)),
    "label its namespace": lambda r, o: r.patch(
        Ref("v1", "Namespace", o.namespace), {"metadata": {"labels": {"a": "b"}}}
    ),
    "make a namespace of another name": lambda r, o: r.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{o.name}-dev-2"}}
    ),
    "read its secrets": lambda r, o: r.get(Ref("v1", "Secret", "key", o.namespace)),
    "list all secrets": lambda r, o: r.list("v1", "Secret"),
    "read its leases": lambda r, o: r.get(Ref(API_VERSION, KIND, "record", o.namespace)),
    "change its leases": lambda r, o: r.patch(Ref(API_VERSION, KIND, "record", o.namespace), {"spec": {}}),
    "delete its leases": lambda r, o: r.delete(Ref(API_VERSION, KIND, "record", o.namespace)),
    "list its pods": lambda r, o: r.list("v1", "Pod", o.namespace),
    "get a token there": lambda r, o: r.token_for(o.namespace, "deployer", timedelta(minutes=10)),
    "make an account there": lambda r, o: r.create(o.thing("v1", "ServiceAccount", "mine")),
    "bind a role there": lambda r, o: r.create(
        o.thing(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "mine",
            roleRef={
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "codexctl-slot-deployer",
            },
        )
    ),
    "bind it everywhere": lambda r, o: r.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"mine-{o.name}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "codexctl-slot-deployer",
            },
        }
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_another_project_is_out_of_the_runners_reach(runner: Cluster, other: Other, what: str) -> None:
    with pytest.raises(ApiError) as denied:
        FORBIDDEN[what](runner, other)
    assert denied.value.status in (403, 422)


def test_two_projects_live_on_one_cluster_each_out_of_the_others_reach(
    cluster: Cluster, runner: Cluster, project: str
) -> None:
    name = f"p{uuid.uuid4().hex[:8]}"
    with shipped_runner(cluster, name) as second:
        ours, theirs = (SlotScene(cluster, f"{each}-ai-staging", each) for each in (project, name))
        one, two = ours.ensure(3, cluster=runner).record, theirs.ensure(3, cluster=second).record
        for who, record, scene in ((runner, two, theirs), (second, one, ours)):
            neighbour = Other(cluster, scene.project)
            assert neighbour.namespace == record.namespace
            for what, attempt in FORBIDDEN.items():
                with pytest.raises(ApiError) as denied:
                    attempt(who, neighbour)
                assert denied.value.status in (403, 422), what
            with pytest.raises(ApiError) as denied:
                scene.store(who).view()
            assert denied.value.status == 403
        assert ours.clean(one.slot, cluster=runner).free and theirs.clean(two.slot, cluster=second).free


def test_stronger_role_than_the_deployers_is_not_bound(runner: Cluster, cluster: Cluster, project: str) -> None:
    scene = SlotScene(cluster, f"{project}-ai-staging", project)
    record = scene.ensure(8, cluster=runner).record
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "mine", "namespace": record.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    with pytest.raises(ApiError) as denied:
        runner.create(binding)
    assert denied.value.status == 403
    scene.clean(record.slot)


def test_namespace_of_another_owner_is_safe_even_under_a_slots_name(
    runner: Cluster, cluster: Cluster, project: str
) -> None:
    name = f"{project}-dev-8"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        with pytest.raises(ApiError) as denied:
            runner.delete(Ref("v1", "Namespace", name))
        assert denied.value.status in (403, 422)
    finally:
        cluster.delete(Ref("v1", "Namespace", name))


@pytest.mark.parametrize("what", [what for what in FORBIDDEN if what != "list all secrets"])
def test_another_project_is_out_of_a_deployers_reach(
    runner: Cluster, cluster: Cluster, other: Other, project: str, what: str
) -> None:
    scene = SlotScene(cluster, f"{project}-ai-staging", project)
    record = scene.ensure(9, cluster=runner).record
    inside = deployer(runner, record)._for(record.namespace)  # type: ignore[attr-defined]
    with pytest.raises(ApiError) as denied:
        FORBIDDEN[what](inside, other)
    assert denied.value.status in (403, 422)
