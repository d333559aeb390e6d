"""What an agent finds in its own container, and what it can reach from there: the shipped example on a real cluster."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.cluster import fresh_namespace
from tests.support.credential_hunt import DONE, finds, hunt
from tests.support.credential_scene import MODEL_KEY, REGISTRY_PASSWORD, RUNTIME_TOKEN, Scene, credential_scene
from tests.support.network_policy import enforced

__all__ = ["credential_scene"]

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


@pytest.fixture
def scene(credential_scene: Scene) -> Scene:
    return credential_scene


def test_agent_finds_no_credential_but_its_own_account(scene: Scene) -> None:
    scene.agent_does(hunt(scene.secrets))
    assert DONE in scene.shell("cat /tmp/order.log")
    found = finds(scene.shell("cat /tmp/hunt/found"), scene.secrets)
    own = f"system:serviceaccount:{scene.slot['namespace']}:codex"
    assert {find.what for find in found} == {own}, found
    assert {find.kind for find in found} == {"token"}
    # All of it was at work, or there would have been nothing to find.
    assert scene.model.headers[-1]["Authorization"] == f"Bearer {MODEL_KEY}"


def _careless(image: str, small: str, secrets: dict[str, str]) -> dict[str, object]:
    """A pod that does everything wrong: a credential in every kind of place."""
    pat, key = secrets["the personal token"], secrets["the model's key"]
    keep = f"git config --global http.extraheader 'AUTHORIZATION: {pat}'; printf %s '{key}' | base64 -w 0 >/opt/kept"
    containers = [
        {
            "name": "codex",
            "image": image,
            "command": ["bash", "-c", f"{keep}; exec -a 'agent --key={REGISTRY_PASSWORD}' sleep 3600"],
            "env": [{"name": "GITHUB_TOKEN", "value": pat}],
        },
        {
            "name": "beside",
            "image": small,
            "command": ["sh", "-c", 'printf %s "$RUNTIME" >/kept; exec sleep 3600'],
            "env": [{"name": "RUNTIME", "value": RUNTIME_TOKEN}],
        },
    ]
    spec = {
        "shareProcessNamespace": True,
        "serviceAccountName": "codex",
        "terminationGracePeriodSeconds": 0,
        "containers": containers,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "careless"}, "spec": spec}


def test_the_same_hunt_finds_what_a_careless_pod_holds(scene: Scene) -> None:
    image = scene.state.codex_image
    scene.inside.apply(_careless(image, f"{scene.state.registry}/library/busybox:1.37.0", scene.secrets))
    scene.inside.wait("pod/careless", "condition=Ready")
    script = scene.inside("exec", "-i", "careless", "-c", "codex", "--", "bash", "-s", stdin=hunt(scene.secrets))
    assert DONE in script
    found = finds(scene.shell("cat /tmp/hunt/found", "careless"), scene.secrets)
    account = f"system:serviceaccount:{scene.slot['namespace']}:codex"
    seen = {(find.kind, find.what) for find in found}
    assert seen >= {
        ("environ", "the personal token"),
        ("cmdline", "the registry's password"),
        ("file", "the personal token"),
        ("file", "the model's key"),
        ("git", "the personal token"),
        ("environ", "the runtime's token"),
        ("token", account),
    }
    beside = [find.place for find in found if find.kind == "file" and find.what == "the runtime's token"]
    assert beside and all(place.startswith("/proc/") and place.endswith("/root/kept") for place in beside)


# The agent's own account, tried from inside its container.
_API = (
    "curl -s -o /tmp/answer -w '%{{http_code}}' -X {verb} "
    '-H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" '
    "--cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt -H 'Content-Type: {type}' -d '{body}' "
    "https://kubernetes.default.svc{path}"
)


def _ask(scene: Scene, verb: str, path: str, body: object = None, type_: str = "application/json") -> int:
    data = json.dumps(body) if body is not None else ""
    return int(scene.shell(_API.format(verb=verb, path=path, body=data, type=type_)))


def test_agents_account_ends_at_its_own_namespace(scene: Scene) -> None:
    own, staging = scene.slot["namespace"], f"{scene.project}-ai-staging"
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{staging}/leases"
    lease = scene.admin.within(staging).get("leases")["items"][0]["metadata"]["name"]
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{scene.project}-dev-9"}}
    account = f"codexctl-deployer-{scene.slot['epoch']}"
    assert _ask(scene, "GET", f"/api/v1/namespaces/{own}/pods") == 200
    refused = {
        "secrets of its slot": _ask(scene, "GET", f"/api/v1/namespaces/{own}/secrets"),
        "one secret of its slot": _ask(scene, "GET", f"/api/v1/namespaces/{own}/secrets/pull"),
        "the deployer's token": _ask(scene, "POST", f"/api/v1/namespaces/{own}/serviceaccounts/{account}/token", token),
        "the runner's token": _ask(scene, "POST", f"/api/v1/namespaces/{staging}/serviceaccounts/default/token", token),
        "all secrets": _ask(scene, "GET", "/api/v1/secrets"),
        "the model's key": _ask(scene, "GET", f"/api/v1/namespaces/model-{scene.project}/secrets/model-key"),
        "staging's pods": _ask(scene, "GET", f"/api/v1/namespaces/{staging}/pods"),
        "the leases": _ask(scene, "GET", leases),
        "its own lease": _ask(scene, "GET", f"{leases}/{lease}"),
        "holding its lease": _ask(scene, "PATCH", f"{leases}/{lease}", {"spec": {}}, "application/merge-patch+json"),
        "dropping its lease": _ask(scene, "DELETE", f"{leases}/{lease}"),
        "namespaces": _ask(scene, "GET", "/api/v1/namespaces"),
        "a new namespace": _ask(scene, "POST", "/api/v1/namespaces", namespace),
        "the end of its namespace": _ask(scene, "DELETE", f"/api/v1/namespaces/{own}"),
        "the network's rules": _ask(scene, "DELETE", f"/apis/networking.k8s.io/v1/namespaces/{own}/networkpolicies"),
        "more rights": _ask(scene, "GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings"),
        "the node": _ask(scene, "GET", "/api/v1/nodes"),
    }
    assert {what: code for what, code in refused.items() if code != 403} == {}


def test_agent_gets_no_pod_with_the_deployers_account(scene: Scene) -> None:
    own, account = scene.slot["namespace"], f"codexctl-deployer-{scene.slot['epoch']}"
    bait = {"image": scene.state.codex_image, "name": "bait", "command": ["sleep", "60"]}
    pod = {"containers": [bait], "terminationGracePeriodSeconds": 0}
    labels = {"app": "bait"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    scene.inside.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bait"}, "spec": spec})
    scene.inside.wait("deployment/bait", "condition=Available")
    patch = {"spec": {"template": {"spec": {"serviceAccountName": account, "automountServiceAccountToken": True}}}}
    path = f"/apis/apps/v1/namespaces/{own}/deployments/bait"
    assert _ask(scene, "PATCH", path, patch, "application/merge-patch+json") == 200
    scene.inside.wait("deployment/bait", "jsonpath={.status.conditions[?(@.type=='ReplicaFailure')].status}=True")
    failure = next(
        c for c in scene.inside.get("deployment/bait")["status"]["conditions"] if c["type"] == "ReplicaFailure"
    )
    assert "no pod runs with the account by which codexctl-ci deploys" in failure["message"]
    scene.inside("delete", "deployment/bait", "--wait=false")


def _web(image: str) -> list[dict[str, object]]:
    """A page to be reached by name."""
    page = {
        "name": "web",
        "image": image,
        "command": ["sh", "-c", "mkdir /p; echo ok >/p/index.html; httpd -f -p 8080 -h /p"],
    }
    pod = {"containers": [page], "terminationGracePeriodSeconds": 0}
    meta = {"name": "web", "labels": {"app": "web"}}
    service = {"selector": {"app": "web"}, "ports": [{"port": 8080}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
    ]


@contextmanager
def _metadata() -> Iterator[None]:
    """A server at the address where clouds tell a machine's credentials."""
    address = ["169.254.169.254/32", "dev", "lo"]
    subprocess.run(["ip", "addr", "add", *address], check=True)
    server = ThreadingHTTPServer(("169.254.169.254", 80), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        subprocess.run(["ip", "addr", "del", *address], check=True)


def _reached(scene: Scene, urls: dict[str, str]) -> set[str]:
    """Those that answer the agent's container, whatever they answer."""
    lines = [f"curl -sk -o /dev/null -m 5 {url} && echo '{what}'" for what, url in urls.items()]
    return set(scene.shell("\n".join([*lines, "true"])).splitlines())


def test_network_policy_of_a_slot_leaves_the_agent_its_work_and_nothing_else(scene: Scene) -> None:
    """The sandbox's network enforces no policy: here the shipped one is turned into packet rules."""
    inside, page = scene.inside, _web(f"{scene.state.registry}/library/busybox:1.37.0")
    with fresh_namespace(scene.admin, f"{scene.project}-other") as name, _metadata():
        outside = scene.admin.within(name)
        scene.admin("label", "namespace", name, f"codexctl.io/project={scene.project}")
        for kubectl in (inside, outside):
            kubectl.apply(*page)
            kubectl.wait("pod/web", "condition=Ready")
        allowed = {
            "a service of its slot": "http://web:8080/",
            "the model": f"http://model-proxy.model-{scene.project}.svc.cluster.local:8080/healthz",
            "the API server": "https://kubernetes.default.svc/version",
        }
        forbidden = {
            "a service of another slot": f"http://web.{name}.svc.cluster.local:8080/",
            "the registry": f"http://{scene.state.registry}/v2/",
            "the kubelet": f"https://{scene.state.node_address}:10250/pods",
            "metadata of the cloud": "http://169.254.169.254/",
        }
        # As anything can be reached without a policy, what can't be with it is the policy's work.
        assert _reached(scene, allowed | forbidden) == set(allowed) | set(forbidden)
        address = inside.get("pod/web")["status"]["podIP"]
        fetch = ["exec", "web", "--", "sh", "-c", f"echo ? | nc -w 3 {address} 8080"]
        assert outside(*fetch).startswith("HTTP/")
        with enforced(inside, "slot"):
            assert _reached(scene, allowed | forbidden) == set(allowed)
            assert outside.attempt(*fetch).stdout == ""
