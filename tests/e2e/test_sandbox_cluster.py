"""The sandbox is a real cluster: what the product's own tests rely on."""

import socket
import subprocess
from pathlib import Path

import pytest

from sandbox.state import State
from tests.support.cluster import kubeconfig_of_account
from tests.support.kubectl import Kubectl

LONG_LIVED = ["sh", "-c", "trap exit TERM; while :; do sleep 1 & wait; done"]


def pod(name: str, command: list[str], image: str = "busybox:1.37.0", **spec: object) -> dict[str, object]:
    container = {"name": "main", "image": image, "command": command, **spec.pop("container", {})}  # type: ignore[dict-item]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }


def claim(name: str, storage_class: str, mode: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": [mode],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }


def test_exec_passes_input_and_exit_codes(kubectl: Kubectl) -> None:
    kubectl.apply(pod("shell", LONG_LIVED))
    kubectl.wait("pod/shell", "condition=Ready")

    echoed = kubectl("exec", "-i", "shell", "--", "cat", stdin="through the pod")
    failed = kubectl.attempt("exec", "shell", "--", "sh", "-c", "exit 42")

    assert echoed == "through the pod"
    assert failed.returncode == 42


def test_pod_reaches_a_service_by_name_and_so_does_the_node(kubectl: Kubectl, namespace: str) -> None:
    serve = ["sh", "-c", "mkdir /www && echo hello >/www/index.html && httpd -f -p 8000 -h /www"]
    probe = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    kubectl.apply(pod("web", serve, container={"readinessProbe": probe}))
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})
    kubectl.apply(pod("client", ["sleep", "600"], image="debian:bookworm"))
    kubectl.wait("pod/web", "condition=Ready")
    kubectl.wait("pod/client", "condition=Ready")
    kubectl.wait("endpoints/web", "jsonpath={.subsets[0].addresses[0].ip}")

    name = f"web.{namespace}.svc.cluster.local"
    fetch = ["curl", "-fsS", "--retry", "20", "--retry-delay", "1", "--retry-all-errors"]
    assert kubectl("exec", "client", "--", *fetch, "http://web") == "hello\n"
    assert kubectl("exec", "client", "--", *fetch, f"http://{name}") == "hello\n"
    # A pod behind a Service reaches itself through it.
    assert (
        kubectl("exec", "web", "--", "sh", "-c", f"printf 'GET / HTTP/1.0\r\n\r\n' | nc {name} 80 | tail -n 1")
        == "hello\n"
    )
    with socket.create_connection((name, 80), timeout=5):
        pass


@pytest.mark.parametrize(
    ("storage_class", "mode"),
    [("standard", "ReadWriteOnce"), ("standard", "ReadWriteMany"), ("first-consumer", "ReadWriteOnce")],
)
def test_claim_binds_and_any_user_can_write_to_it(kubectl: Kubectl, storage_class: str, mode: str) -> None:
    kubectl.apply(claim("data", storage_class, mode))
    kubectl.apply(
        pod(
            "writer",
            ["sh", "-c", "echo kept >/data/file && cat /data/file"],
            container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            securityContext={"runAsUser": 1000},
        )
    )

    kubectl.wait("pod/writer", "jsonpath={.status.phase}=Succeeded")

    assert kubectl("logs", "writer") == "kept\n"
    assert kubectl.get("pvc", "data")["status"]["phase"] == "Bound"


def test_image_that_is_not_there_fails_to_pull(kubectl: Kubectl, sandbox: State) -> None:
    kubectl.apply(pod("missing", ["true"], image=f"{sandbox.registry}/no/such:image"))

    kubectl.wait("pod/missing", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImagePull")


def test_account_has_only_its_own_rights(kubectl: Kubectl, sandbox: State, tmp_path: Path) -> None:
    kubectl("create", "serviceaccount", "runner")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:runner")
    runner = Kubectl(kubeconfig_of_account(sandbox, kubectl, "runner", tmp_path / "kubeconfig"), kubectl.namespace)

    assert runner.get("pods")["items"] == []
    assert "forbidden" in runner.attempt("get", "secrets").stderr


def test_admission_policy_refuses(admin: Kubectl, kubectl: Kubectl, namespace: str) -> None:
    name = f"no-bad-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    admin.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": "object.metadata.name != 'bad'", "message": "no bad names here"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        },
    )
    try:
        # A policy takes effect a moment after it was accepted.
        for _ in range(100):
            refused = kubectl.attempt("create", "configmap", "bad", "--dry-run=server")
            if refused.returncode != 0:
                break
        kubectl("create", "configmap", "good")
    finally:
        admin("delete", f"validatingadmissionpolicybinding/{name}", f"validatingadmissionpolicy/{name}")

    assert "no bad names here" in refused.stderr


def test_registry_deletes_what_was_pushed(sandbox: State, namespace: str) -> None:
    source, copy = f"{sandbox.registry}/library/busybox:1.37.0", f"{sandbox.registry}/{namespace}/copy:1"

    def crane(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["crane", *arguments], capture_output=True, text=True, timeout=60, check=False)

    assert crane("copy", "--insecure", source, copy).returncode == 0
    digest = crane("digest", "--insecure", copy).stdout.strip()
    assert digest == crane("digest", "--insecure", source).stdout.strip()
    assert crane("delete", "--insecure", f"{sandbox.registry}/{namespace}/copy@{digest}").returncode == 0
    assert "MANIFEST_UNKNOWN" in crane("manifest", "--insecure", copy).stderr
