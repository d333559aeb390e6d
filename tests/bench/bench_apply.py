"""Applying a stack, against kubectl on the same cluster in the same run."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from codexctl_ci.kube.client import FIELD_MANAGER, Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.operations.apply import ApplyOptions, apply_stack
from codexctl_ci.operations.parallel import each
from codexctl_ci.stack.objects import Manifest, Ref
from sandbox.state import VARIABLE, read_state
from tests.bench.rows import Row, alternating, run
from tests.contract.kube.stacks import config_map, deployment, layer, secret, service, stack_of_42

_TURNS = 7


class Place:
    """A project with its manifests, and what calls it: ours and kubectl, each in namespaces of their own."""

    def __init__(self, folder: Path, manifests: list[Manifest]) -> None:
        self.state = read_state(Path(os.environ[VARIABLE]))
        self.folder = folder
        self.manifests = manifests
        self.cluster = Cluster.open(load_connection({}, kubeconfig=str(self.state.kubeconfig)))
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(self.state.kubeconfig),
            "PYTHONPATH": str(Path.cwd()),
        }
        files = [manifests[start : start + 6] for start in range(0, len(manifests), 6)]
        for number, group in enumerate(files):
            text = "\n---\n".join(json.dumps(manifest, indent=1) for manifest in group)
            (folder / f"m{number}.yaml").write_text(text)
        names = [{"name": f"s{n}", "manifests": [{"path": f"m{n}.yaml"}]} for n in range(len(files))]
        (folder / "services.yaml").write_text(json.dumps({"project": "bench", "services": names}, indent=1))
        self.stream = "\n---\n".join(json.dumps(manifest) for manifest in manifests).encode()

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A fresh namespace, asked to go away afterwards."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        try:
            yield name
        finally:
            self.cluster.delete(Ref("v1", "Namespace", name))

    def ours(self, namespace: str, *words: str) -> float:
        """Seconds of a whole `apply`."""
        return self.ours_run(namespace, *words)[0]

    def ours_run(self, namespace: str, *words: str) -> tuple[float, float]:
        """Seconds and MB of a whole `apply`, without the wait that kubectl doesn't do either."""
        argv = [sys.executable, "-m", "codexctl_ci", "apply", "--env", "dev", "--namespace", namespace, "--no-wait"]
        done = run([*argv, *words], self.environ, cwd=self.folder)
        return done.seconds, done.megabytes

    def kubectl(self, namespace: str, *words: str) -> float:
        """Seconds of a whole `kubectl apply`."""
        argv = ["kubectl", "--namespace", namespace, "apply", "-f", "-", *words]
        return run(argv, self.environ, stdin=self.stream).seconds


def rows() -> Iterator[Row]:
    """All rows about applying."""
    with TemporaryDirectory() as folder:
        yield from _small(Place(Path(folder), stack_of_42()))
    with TemporaryDirectory() as folder:
        many = [
            manifest
            for number in range(250)
            for manifest in (
                config_map(f"c{number}", key="x" * 100, number=str(number)),
                secret(f"c{number}", password="y" * 40),
                service(f"c{number}"),
                deployment(f"c{number}", 0, SETTING=str(number)),
            )
        ]
        yield from _thousand(Place(Path(folder), many))


def _small(place: Place) -> Iterator[Row]:
    # The namespaces stay until the end: while one is being deleted, nothing beside it is measured fairly.
    with ExitStack() as spaces:
        ours, client, server = (spaces.enter_context(place.namespace()) for _ in range(3))
        place.ours(ours)
        place.kubectl(client)
        place.kubectl(server, "--server-side")
        took = alternating(
            _TURNS,
            ours=lambda: place.ours(ours),
            client=lambda: place.kubectl(client),
            server=lambda: place.kubectl(server, "--server-side"),
            empty=lambda: run([sys.executable, "-c", "pass"], place.environ).seconds,
            read=lambda: _read(place.cluster, place.manifests, ours),
        )
        least = took["empty"] + took["read"]
        yield Row("42 unchanged: / kubectl apply", took["ours"] / took["client"], least / took["client"], 0.2, "ratio")
        yield Row(
            "42 unchanged: / kubectl apply --server-side",
            took["ours"] / took["server"],
            least / took["server"],
            1,
            "ratio",
        )
        yield Row("42 unchanged: whole process", took["ours"], least, took["server"], "s")
        yield from _requests(place, ours)

        def fresh() -> str:
            return spaces.enter_context(place.namespace())

        made = alternating(
            5,
            ours=lambda: place.ours(fresh()),
            client=lambda: place.kubectl(fresh()),
            bare=lambda: _bare(place.cluster, _homed(place.manifests, fresh())),
        )
        least = (took["empty"] + made["bare"]) / made["client"]
        yield Row("42 created: / kubectl apply", made["ours"] / made["client"], least, 0.4, "ratio")


def _requests(place: Place, namespace: str) -> Iterator[Row]:
    """Ours in this very process, against an apply of each object in a bare loop over the same connections."""
    stack = [layer(*place.manifests)]
    options = ApplyOptions("dev", namespace)
    bodies = _homed(place.manifests, namespace)

    def ours() -> float:
        started = time.perf_counter()
        apply_stack(place.cluster, stack, options)
        return time.perf_counter() - started

    apply_stack(place.cluster, stack, options)
    took = alternating(
        15,
        ours=ours,
        bare=lambda: _bare(place.cluster, bodies),
        read=lambda: _read(place.cluster, place.manifests, namespace),
    )
    least = took["read"] / took["bare"]
    yield Row("42 unchanged: requests alone / bare loop", took["ours"] / took["bare"], least, 1.5, "ratio")


def _bare(cluster: Cluster, bodies: list[tuple[str, Manifest]]) -> float:
    transport = cluster._transport
    query = f"fieldManager={FIELD_MANAGER}&force=false&fieldValidation=Strict"

    def one(body: tuple[str, Manifest]) -> None:
        transport.request(
            "PATCH", body[0], query=query, body=body[1], content_type="application/apply-patch+yaml", what="apply"
        )

    started = time.perf_counter()
    each(bodies, one)
    return time.perf_counter() - started


def _read(cluster: Cluster, manifests: list[Manifest], namespace: str) -> float:
    """Seconds to read all kinds of the stack once: what nobody can do without who says that nothing changed."""
    kinds = sorted({(manifest["apiVersion"], manifest["kind"]) for manifest in manifests})
    started = time.perf_counter()
    each(kinds, lambda kind: cluster.list(*kind, namespace))
    return time.perf_counter() - started


def _homed(manifests: list[Manifest], namespace: str) -> list[tuple[str, Manifest]]:
    plural = {
        "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts/{}",
        "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
        "Secret": "/api/v1/namespaces/{}/secrets/{}",
        "Service": "/api/v1/namespaces/{}/services/{}",
        "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims/{}",
        "Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    }
    return [
        (
            plural[manifest["kind"]].format(namespace, manifest["metadata"]["name"]),
            manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}},
        )
        for manifest in manifests
    ]


def _thousand(place: Place) -> Iterator[Row]:
    with place.namespace() as ours, place.namespace() as client, place.namespace() as loop:
        bare = _bare(place.cluster, _homed(place.manifests, loop))
        created, memory = place.ours_run(ours)
        theirs = place.kubectl(client)
        yield Row("1,000 created: / kubectl apply", created / theirs, bare / theirs, 0.25, "ratio")
        again, memory_again = place.ours_run(ours)
        theirs = place.kubectl(client)
        least = _read(place.cluster, place.manifests, ours) / theirs
        yield Row("1,000 unchanged: / kubectl apply", again / theirs, least, 0.25, "ratio")
        yield Row("1,000 objects: memory", max(memory, memory_again), 0, 150, "MB")
