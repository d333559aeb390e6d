"""Brings the cluster up inside the sandbox's namespaces and watches over its programs."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sandbox.cluster import components, configuration
from sandbox.cluster.certificates import new_authority, write_signing_key
from sandbox.cluster.components import Component
from sandbox.cluster.layout import (
    API_SERVICE_ADDRESS,
    CLUSTER_DOMAIN,
    ETCD_PORT,
    GITHUB_PORT,
    MODEL_PORT,
    NODE_ADDRESS,
    NODE_NAME,
    PROVISIONED_VOLUMES,
    REGISTRY_PORT,
    Layout,
)
from sandbox.cluster.machine import (
    arrange_mounts,
    bring_up_network,
    die_with_parent,
    install_only_from,
    lay_over,
    lend_images,
)
from sandbox.cluster.volumes import open_new_volumes
from sandbox.cluster.waiting import Api, NotUp, wait_for_file, wait_for_port

LIMIT = timedelta(seconds=60)
LAST_LINES = 15


@dataclass(frozen=True)
class Order:
    """What one sandbox is to be made of. Paths are the machine's."""

    home: Path
    tree: Path
    cache: Path
    registry_storage: Path
    unpacked_images: Path
    wheels: Path
    programs: Mapping[str, Path]


class Supervisor:
    """Starts programs and remembers them; the first that ends by itself ends the sandbox."""

    def __init__(self, layout: Layout, tree: Path) -> None:
        self._layout = layout
        self._tree = tree
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()

    def start(self, component: Component) -> None:
        """Starts a program, its output in a log file of its name."""
        with (self._layout.logs / f"{component.name}.log").open("wb") as log:
            process = subprocess.Popen(
                component.argv,
                env={**os.environ, **component.environment},
                cwd=self._tree,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._running[component.name] = process
        threading.Thread(target=self._wait, args=(process,), daemon=True).start()

    def check(self) -> None:
        """Raises `NotUp`, with the last lines of its log, if a program has ended."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                lines = (self._layout.logs / f"{name}.log").read_text(errors="replace").splitlines()
                raise NotUp("\n    ".join([f"{name} ended with {code}; its last lines:", *lines[-LAST_LINES:]]))

    def wait_for_end(self) -> None:
        """Returns when a program has ended."""
        self._ended.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._ended.set()


def bring_up(order: Order) -> Supervisor:
    """Returns when the node is ready and everything on it answers. Raises `NotUp`."""
    layout, programs = Layout(order.home), order.programs
    bring_up_network()
    arrange_mounts(layout, keep=(order.tree, order.cache))
    install_only_from(order.wheels)
    _issue_keys(layout)
    configuration.write_users(layout)
    supervisor = Supervisor(layout, order.tree)
    supervisor.start(components.etcd(layout, programs))
    lend_images(order.unpacked_images, layout.data / "containerd")
    supervisor.start(components.containerd(configuration.write_containerd(layout), programs))
    # The API server comes back to a store that wasn't there at first only after a second.
    wait_for_port(("127.0.0.1", ETCD_PORT), LIMIT, supervisor.check)
    supervisor.start(components.api_server(layout, programs))
    storage = lay_over(order.registry_storage, layout, "registry")
    registry = (NODE_ADDRESS, REGISTRY_PORT)
    supervisor.start(components.registry(configuration.write_registry(layout, storage), registry))
    waited_for = [registry]
    key_file = layout.model_key_file
    key_file.touch(mode=0o600)
    key_file.write_text(f"sk-sandbox-{secrets.token_urlsafe(24)}\n")
    for name, port, arguments in (("github", GITHUB_PORT, ()), ("model", MODEL_PORT, (f"--key-file={key_file}",))):
        address = (NODE_ADDRESS, port)
        supervisor.start(components.neighbour(name, Path(sys.executable), address, layout.data / name, arguments))
        waited_for.append(address)
    open_new_volumes(PROVISIONED_VOLUMES)

    api = Api(layout.kubeconfig("admin"), layout.keys / "ca.crt")
    api.wait_until_ready(LIMIT, supervisor.check)
    wait_for_file(layout.containerd_socket, LIMIT, supervisor.check)
    supervisor.start(components.kubelet(layout, configuration.write_kubelet(layout), programs))
    supervisor.start(components.controller_manager(layout, programs))
    supervisor.start(components.scheduler(layout, programs))
    supervisor.start(components.kube_proxy(layout, programs))
    supervisor.start(components.dns(configuration.write_dns(layout), programs))
    for storage_class in _storage_classes():
        api.create("/apis/storage.k8s.io/v1/storageclasses", storage_class)
    for address in (*waited_for, (NODE_ADDRESS, 53)):
        wait_for_port(address, LIMIT, supervisor.check)
    account = "/api/v1/namespaces/default/serviceaccounts?fieldSelector=metadata.name%3Ddefault"
    api.wait_for(account, lambda _: True, LIMIT, "the default ServiceAccount")
    node = f"/api/v1/nodes?fieldSelector=metadata.name%3D{NODE_NAME}"
    api.wait_for(node, _is_ready, LIMIT, f"{node} ready")
    supervisor.check()
    return supervisor


def _is_ready(node: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _issue_keys(layout: Layout) -> None:
    authority = new_authority(layout.keys)
    api_names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    api_hosts = (NODE_ADDRESS, API_SERVICE_ADDRESS, "127.0.0.1", "localhost", *api_names)
    authority.issue("apiserver", "kube-apiserver", hosts=(*api_hosts, f"kubernetes.default.svc.{CLUSTER_DOMAIN}"))
    authority.issue("kubelet", NODE_NAME, hosts=(NODE_ADDRESS, NODE_NAME))
    authority.issue("kubelet-client", "kube-apiserver-kubelet-client", organization="system:masters")
    write_signing_key(layout.keys / "service-accounts.key")


def _storage_classes() -> list[object]:
    common = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
    }
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        {**common, "metadata": {"name": "standard", "annotations": default}, "volumeBindingMode": "Immediate"},
        {**common, "metadata": {"name": "first-consumer"}, "volumeBindingMode": "WaitForFirstConsumer"},
    ]
