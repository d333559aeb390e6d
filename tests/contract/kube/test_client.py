"""The client against a real API server."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.kube import executing
from codexctl_ci.kube.client import Cluster, UnknownKind
from codexctl_ci.kube.connection import Connection
from codexctl_ci.kube.transport import Transport
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.faulty_proxy import FaultyProxy

pytestmark = pytest.mark.sandbox


def crd(group: str) -> Manifest:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


def established(definition: Manifest) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(row["type"] == "Established" and row["status"] == "True" for row in conditions)


def test_scopes_come_from_discovery(cluster: Cluster) -> None:
    asked = [
        ("apps/v1", "Deployment"),
        ("v1", "Namespace"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("nope.example/v1", "Nope"),
    ]
    assert [cluster.namespaced(*kind) for kind in asked] == [True, False, False, None]


def test_discovery_is_read_from_disk_by_the_next_client(
    connection: Connection, proxy: FaultyProxy, tmp_path: Path
) -> None:
    there = Connection(server=proxy.url, token=connection.token)
    assert Cluster.open(there, cache_dir=tmp_path).namespaced("v1", "Pod") is True
    assert proxy.count(path="^/apis?$") == 2
    assert Cluster.open(there, cache_dir=tmp_path).namespaced("v1", "Pod") is True
    assert proxy.count(path="^/apis?$") == 2
    next(tmp_path.iterdir()).write_text("{broken")
    assert Cluster.open(there, cache_dir=tmp_path).namespaced("v1", "Pod") is True
    assert proxy.count(path="^/apis?$") == 4


def test_custom_kinds_are_seen_when_they_come_and_when_they_go(
    cluster: Cluster, connection: Connection, tmp_path: Path
) -> None:
    group = f"g{uuid.uuid4().hex[:8]}.example"
    old = Cluster.open(connection, cache_dir=tmp_path)
    assert old.namespaced(f"{group}/v1", "Widget") is None
    with pytest.raises(UnknownKind) as caught:
        old.get(Ref(f"{group}/v1", "Widget", "a", "default"))
    assert f"widgets.{group}" in str(caught.value)
    definition = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"widgets.{group}")
    made = cluster.apply(crd(group))
    if not established(made):
        for change in cluster.watch(
            definition.api_version,
            definition.kind,
            since=made["metadata"]["resourceVersion"],
            fields=f"metadata.name={definition.name}",
            timeout=timedelta(seconds=20),
        ):
            if established(change.object):
                break
    cluster.discovery.forget()
    assert cluster.namespaced(f"{group}/v1", "Widget") is True
    assert cluster.delete(definition)
    gone = cluster.watch(definition.api_version, definition.kind, since="", fields=f"metadata.name={definition.name}")
    assert any(change.kind == "DELETED" for change in gone)
    gone.close()


def test_wrong_version_of_a_known_kind_names_the_right_one(cluster: Cluster) -> None:
    with pytest.raises(UnknownKind) as caught:
        cluster.get(Ref("apps/v1beta1", "Deployment", "a", "default"))
    assert "apps/v1" in caught.value.hint


def test_names_from_outside_stay_one_segment_of_the_path(cluster: Cluster) -> None:
    assert cluster.get(Ref("v1", "ConfigMap", "../secrets/x", "default")) is None
    with pytest.raises(CodexctlError):
        cluster.get(Ref("v1", "ConfigMap", "..", "default"))


def test_long_lists_come_whole(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codexctl_ci.kube.client._PAGE", 2)
    for number in range(5):
        meta = {"name": f"c{number}", "namespace": namespace, "labels": {"test": "list"}}
        cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    listing = cluster.list("v1", "ConfigMap", namespace, labels="test=list")
    assert [item["metadata"]["name"] for item in listing.items] == [f"c{number}" for number in range(5)]
    assert {item["kind"] for item in listing.items} == {"ConfigMap"}


def test_another_identity_has_its_own_rights_only(cluster: Cluster, namespace: str) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak", "namespace": namespace}})
    weak = cluster.acting_as(cluster.token_for(namespace, "weak", timedelta(minutes=10)))
    with pytest.raises(ApiError) as caught:
        weak.list("v1", "Secret", namespace)
    assert (caught.value.status, caught.value.kind) == (403, "Forbidden")
    assert f"{namespace}:weak" in str(caught.value)
    assert cluster.list("v1", "Secret", namespace).items == []


def test_token_that_nobody_knows_is_401(cluster: Cluster) -> None:
    with pytest.raises(ApiError) as caught:
        cluster.acting_as("nonsense").get(Ref("v1", "ConfigMap", "a", "default"))
    assert caught.value.status == 401
    assert "nonsense" not in str(caught.value)


@pytest.fixture(scope="module")
def pod(cluster: Cluster) -> tuple[str, str]:
    """Namespace and name of a running pod with a shell."""
    namespace = f"exec-{uuid.uuid4().hex[:8]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    accounts = cluster.watch(
        "v1", "ServiceAccount", namespace, since="", fields="metadata.name=default", timeout=timedelta(seconds=30)
    )
    assert next(iter(accounts), None) is not None
    accounts.close()
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "shell", "namespace": namespace},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": "busybox:1.37.0", "command": ["sleep", "9999"]}],
            },
        }
    )
    for change in cluster.watch("v1", "Pod", namespace, since="", timeout=timedelta(seconds=60)):
        conditions = change.object["status"].get("conditions") or []
        if any(row["type"] == "Ready" and row["status"] == "True" for row in conditions):
            return namespace, "shell"
    raise AssertionError("the pod never became ready")


def test_exit_codes_and_both_streams_are_true(cluster: Cluster, pod: tuple[str, str]) -> None:
    done = cluster.execute(*pod, ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (done.code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert cluster.execute(*pod, ["true"]).code == 0


def test_stdin_arrives_whole_and_ends(cluster: Cluster, pod: tuple[str, str]) -> None:
    blocks = [bytes([n]) * 70_000 for n in range(20)]
    done = cluster.execute(*pod, ["cat"], stdin=iter(blocks), timeout=timedelta(seconds=60))
    assert done.stdout == b"".join(blocks)


def test_commands_that_are_fed_end_however_many_there_are(cluster: Cluster, pod: tuple[str, str]) -> None:
    def feed(number: int) -> bytes:
        words = ["sh", "-c", "tr a b; echo end"]
        return cluster.execute(*pod, words, stdin=(b"a%d" % number,), timeout=timedelta(seconds=30)).stdout

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(feed, range(200))) == [b"b%dend\n" % number for number in range(200)]


@pytest.mark.parametrize("nothing", [(), (b"",)], ids=["no blocks", "an empty block"])
def test_command_that_is_fed_nothing_finds_its_input_at_the_end(
    cluster: Cluster, pod: tuple[str, str], nothing: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    connect = executing._connect

    def watched(transport: Transport, target: str, obj: str) -> object:
        asked.append(target)
        return connect(transport, target, obj)

    monkeypatch.setattr(executing, "_connect", watched)
    done = cluster.execute(*pod, ["sh", "-c", "cat; echo end"], stdin=nothing, timeout=timedelta(seconds=30))
    assert done.stdout == b"end\n"
    # A stream that ends at once is lost in one of a thousand: that none is opened can be seen each time.
    assert len(asked) == 1 and "stdin=true" not in asked[0]


def test_output_streams_and_the_reader_may_stop_it(cluster: Cluster, pod: tuple[str, str]) -> None:
    got: list[bytes] = []
    assert cluster.execute(*pod, ["sh", "-c", "echo a; echo b"], on_stdout=got.append).stdout == b""
    assert b"".join(got) == b"a\nb\n"

    def stop(_: bytes) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cluster.execute(*pod, ["timeout", "5", "yes"], on_stdout=stop)


def test_error_of_the_stdin_iterator_reaches_the_caller(cluster: Cluster, pod: tuple[str, str]) -> None:
    def blocks() -> object:
        yield b"a"
        raise RuntimeError("the file is gone")

    with pytest.raises(RuntimeError, match="the file is gone"):
        cluster.execute(*pod, ["cat"], stdin=blocks())  # type: ignore[arg-type]


def test_command_that_takes_too_long_or_cannot_start(cluster: Cluster, pod: tuple[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        cluster.execute(*pod, ["sleep", "30"], timeout=timedelta(seconds=0.5))
    assert caught.value.kind == "ExecTimeout"
    with pytest.raises(ApiError) as caught:
        cluster.execute(*pod, ["no-such-program"])
    assert caught.value.status >= 400
    with pytest.raises(ApiError) as caught:
        cluster.execute(pod[0], "no-such-pod", ["true"])
    assert caught.value.status == 404


def test_exec_passes_through_an_http_front(connection: Connection, proxy: FaultyProxy, pod: tuple[str, str]) -> None:
    there = Cluster.open(Connection(server=proxy.url, token=connection.token))
    assert there.execute(*pod, ["echo", "hi"]).stdout == b"hi\n"


def test_log_of_a_container_and_of_one_that_never_ran(cluster: Cluster, pod: tuple[str, str]) -> None:
    assert cluster.logs(*pod, "c") == ""
    assert cluster.logs(*pod, "c", previous=True) == ""
    assert cluster.logs(pod[0], "no-such-pod") == ""
