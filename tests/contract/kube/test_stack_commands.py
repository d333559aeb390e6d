"""apply, diff and destroy as a person and a workflow call them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.kube.client import Cluster
from codexctl_ci.stack.objects import Manifest, Ref
from tests.support.projects import write_files

pytestmark = pytest.mark.sandbox

SERVICES = """
project: shop
infrastructure:
  - name: settings
    manifests: [{path: settings.yaml}]
services:
  - name: web
    dependsOn: [settings]
    manifests: [{path: web.yaml}]
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: "{{ envOr('COLOUR', 'red') }}"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {password: "{{ envOr('PASSWORD_OF_SHOP', 'hunter2-first') }}"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {name: web, image: "busybox:1.37.0", command: [sleep, "9999"]}
"""


@dataclass
class Called:
    code: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(kubeconfig: Path, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on the project in the test's namespace."""
    write_files(tmp_path, {"services.yaml": SERVICES, "settings.yaml": SETTINGS, "web.yaml": WEB})

    def run(*words: str, **environ: str) -> Called:
        place = ["--config", str(tmp_path / "services.yaml"), "--env", "dev", "--namespace", namespace]
        surroundings = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "GITHUB_STEP_SUMMARY": ""}
        code = main([*words, *place], surroundings | environ)
        said = capsys.readouterr()
        return Called(code, said.out, said.err)

    return run


def find(cluster: Cluster, kind: str, name: str, namespace: str, api_version: str = "v1") -> Manifest | None:
    return cluster.get(Ref(api_version, kind, name, namespace))


def test_apply_then_diff_then_destroy(call: Call, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = call("apply", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0, done.err
    assert "4 objects: 4 created" in done.out and "4 created" not in done.err, "told once, not twice in a terminal"
    assert "Deployment/web" in summary.read_text() and "hunter2-first" not in summary.read_text()
    live = find(cluster, "Deployment", "web", namespace, "apps/v1")
    assert live is not None and live["status"]["availableReplicas"] == 1

    same = call("diff", "--exit-code")
    assert (same.code, same.out) == (0, "no difference in 4 objects\n")

    other = {"COLOUR": "blue", "PASSWORD_OF_SHOP": "hunter2-second"}
    differs = call("diff", "--exit-code", **other)
    assert differs.code == 1
    assert "-  colour: red" in differs.out and "+  colour: blue" in differs.out
    assert "Secret/keys" in differs.out and "hunter2" not in differs.out
    assert call("diff", **other).code == 0
    data = json.loads(call("diff", "-o", "json", **other).out)
    assert data["changed"] is True
    assert [one["fate"] for one in data["objects"]] == ["change", "change", "same", "same"]

    plan = call("destroy", "--dry-run")
    assert "Deployment/web" in plan.out and find(cluster, "Deployment", "web", namespace, "apps/v1")
    gone = call("destroy")
    assert gone.code == 0, gone.err
    assert "PersistentVolumeClaim/data" in gone.out and "--prune-volumes" in gone.out
    assert f"Namespace/{namespace} stays" in gone.out and "3 objects deleted" in gone.out
    assert (gone.out + gone.err).count("Deployment/web") == (gone.out + gone.err).count("Claim/data") == 1
    assert find(cluster, "Deployment", "web", namespace, "apps/v1") is None
    assert cluster.list("v1", "Pod", namespace).items == []
    assert find(cluster, "ConfigMap", "settings", namespace) is None
    assert find(cluster, "PersistentVolumeClaim", "data", namespace) is not None
    assert find(cluster, "Namespace", namespace, "") is not None
    last = call("destroy", "--prune-volumes")
    assert last.code == 0, last.err
    assert find(cluster, "PersistentVolumeClaim", "data", namespace) is None
    assert find(cluster, "ConfigMap", "codexctl-inventory-dev", namespace) is None


def test_stack_that_cannot_become_ready_exits_five_and_says_why(call: Call, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB.replace("busybox:1.37.0", "busybox:no such tag"))
    done = call("apply", "--wait-timeout", "60s")
    assert done.code == 5, done.err
    assert "InvalidImageName" in done.err and "Deployment/web" in done.err
    soft = call("apply", "--wait-timeout", "60s", "--wait-soft-fail")
    assert soft.code == 0, soft.err
    assert call("apply", "--no-wait").code == 0


def test_dry_run_says_what_would_be_done_and_does_nothing(call: Call, cluster: Cluster, namespace: str) -> None:
    plan = call("apply", "--dry-run")
    assert plan.code == 0, plan.err
    assert "Deployment/web" in plan.out and ": new" in plan.out
    assert find(cluster, "ConfigMap", "settings", namespace) is None


def test_missing_rights_are_listed_before_anything_is_done(
    call: Call, cluster: Cluster, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    account: Manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak"}}
    account["metadata"]["namespace"] = namespace
    cluster.create(account)
    token = cluster.token_for(namespace, "weak", timedelta(minutes=10))
    weak = tmp_path / "weak"
    context = {"cluster": "c", "user": "u"}
    server = {"server": cluster.connection.server, "insecure-skip-tls-verify": True}
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": context}],
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    weak.write_text(json.dumps(document))
    done = call("apply", "--kubeconfig", str(weak))
    assert done.code == 1
    assert "patch Deployment (apps)" in done.err and "nothing was changed" in done.err
    assert token not in done.err


def test_hooks_run_around_the_apply(call: Call, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    hooks = f"""
hooks:
  beforeAll: [{{name: first, run: "echo before all in $CODEXCTL_NAMESPACE >> {said}"}}]
  afterAll:
    - {{name: wait, use: kubectl.wait, with: {{kind: deployment, name: web, timeout: 60s}}}}
    - {{name: last, run: "echo after all >> {said}"}}
"""
    (tmp_path / "services.yaml").write_text(SERVICES + hooks)
    done = call("apply", PATH="/usr/bin:/bin")
    assert done.code == 0, done.err
    assert said.read_text() == f"before all in {namespace}\nafter all\n"


def test_slot_is_deployed_into_by_its_own_account_and_cluster_scoped_objects_by_ours(
    kubeconfig: Path, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], namespace: str
) -> None:
    project = f"p{uuid.uuid4().hex[:8]}"
    role = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {project}}}
rules: []
"""
    services = SERVICES.replace("project: shop", f"project: {project}\nstate: {{configmapNamespace: {namespace}}}")
    write_files(tmp_path, {"services.yaml": services, "settings.yaml": SETTINGS + "---" + role, "web.yaml": WEB})
    surroundings = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
    place = ["--config", str(tmp_path / "services.yaml")]

    def call(*words: str, issue: str = "7") -> Called:
        # No --env: whoever names an issue means its slot.
        code = main([*words, *place, "--issue", issue], surroundings)
        said = capsys.readouterr()
        return Called(code, said.out, said.err)

    none = call("apply")
    assert none.code == 2 and "ensure-slot" in none.err
    slot = f"{project}-dev-1"
    try:
        leased = call("ci", "ensure-slot")
        assert leased.code == 0, leased.err
        assert (leased.out + leased.err).count("slot 1") == 1
        done = call("apply")
        assert done.code == 0, done.err
        assert find(cluster, "Deployment", "web", slot, "apps/v1") is not None
        assert find(cluster, "ClusterRole", project, "", "rbac.authorization.k8s.io/v1") is not None
        assert "no difference" in call("diff").out
        rows = {(row["kind"], row["namespace"]): row for row in json.loads(call("status", "-o", "json").out)}
        assert {rows["Deployment", slot]["state"], rows["ClusterRole", ""]["state"]} == {"ready"}
        rendered = call("render")
        assert rendered.code == 0 and f"namespace: {slot}" in rendered.out
        for command in ("status", "diff", "render", "destroy"):
            unknown = call(command, issue="555")
            assert unknown.code == 2 and "issue #555 has no slot" in unknown.err and not unknown.out
        gone = call("destroy", "--prune-volumes")
        assert gone.code == 0, gone.err
        assert f"ClusterRole/{project} stays" in gone.out and "manage-env cleanup takes the slot" in gone.out
        assert find(cluster, "Namespace", slot, "") is not None
        stale = call("apply", "--epoch", "99")
        assert stale.code == 1 and "epoch" in stale.err
    finally:
        cluster.delete(Ref("v1", "Namespace", slot))
        cluster.delete(Ref("rbac.authorization.k8s.io/v1", "ClusterRole", project))


def test_destroy_says_what_holds_on_to_finalizers(call: Call, cluster: Cluster, namespace: str) -> None:
    assert call("apply", "--no-wait").code == 0
    settings = Ref("v1", "ConfigMap", "settings", namespace)
    cluster.patch(settings, {"metadata": {"finalizers": ["example.org/keeper"]}})
    try:
        done = call("destroy", "--wait-timeout", "8s")
        assert done.code == 5
        assert "ConfigMap/settings" in done.err and "example.org/keeper" in done.err
    finally:
        cluster.patch(settings, {"metadata": {"finalizers": None}})
    again = call("destroy")
    assert again.code == 0, again.err
