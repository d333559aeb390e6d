"""The programs of the cluster and how each is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cluster.layout import (
    API_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    NODE_ADDRESS,
    NODE_NAME,
    SERVICE_RANGE,
    Layout,
)

_ETCD = f"http://127.0.0.1:{ETCD_PORT}"


@dataclass(frozen=True)
class Component:
    """One long-running program. `tcp` is where it accepts connections once it is up, where anybody asks."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    tcp: tuple[str, int] | None = None


def etcd(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """The store; nothing in it needs to survive a power cut."""
    return _component(
        "etcd",
        programs["etcd"],
        {
            "data-dir": layout.data / "etcd",
            "unsafe-no-fsync": True,
            # One member elects itself; it needn't wait a second for others.
            "heartbeat-interval": 10,
            "election-timeout": 100,
            "log-level": "warn",
            "listen-client-urls": _ETCD,
            "advertise-client-urls": _ETCD,
            "listen-peer-urls": f"http://127.0.0.1:{ETCD_PEER_PORT}",
        },
    )


def api_server(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """The API server, with RBAC, node authorisation and audit of nothing."""
    keys = layout.keys
    return _component(
        "kube-apiserver",
        programs["kube-apiserver"],
        {
            "etcd-servers": _ETCD,
            "bind-address": NODE_ADDRESS,
            "advertise-address": NODE_ADDRESS,
            "secure-port": API_PORT,
            "tls-cert-file": keys / "apiserver.crt",
            "tls-private-key-file": keys / "apiserver.key",
            "client-ca-file": keys / "ca.crt",
            "kubelet-certificate-authority": keys / "ca.crt",
            "kubelet-client-certificate": keys / "kubelet-client.crt",
            "kubelet-client-key": keys / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": keys / "service-accounts.key",
            "service-account-signing-key-file": keys / "service-accounts.key",
            "service-cluster-ip-range": SERVICE_RANGE,
            "token-auth-file": keys / "tokens.csv",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": True,
            "endpoint-reconciler-type": "lease",
        },
    )


def controller_manager(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """All controllers, and the provisioner that makes volumes out of folders."""
    return _component(
        "kube-controller-manager",
        programs["kube-controller-manager"],
        {
            "kubeconfig": layout.kubeconfig("controller-manager"),
            "service-account-private-key-file": layout.keys / "service-accounts.key",
            "root-ca-file": layout.keys / "ca.crt",
            "use-service-account-credentials": True,
            "leader-elect": False,
            "bind-address": "127.0.0.1",
            "enable-hostpath-provisioner": True,
            "concurrent-namespace-syncs": 20,
        },
    )


def scheduler(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """Puts pods on the one node."""
    return _component(
        "kube-scheduler",
        programs["kube-scheduler"],
        {"kubeconfig": layout.kubeconfig("scheduler"), "leader-elect": False, "bind-address": "127.0.0.1"},
    )


def containerd(configuration: Path, programs: Mapping[str, Path]) -> Component:
    """The container runtime; finds its shim on PATH."""
    program = programs["containerd"]
    path = f"{program.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return Component("containerd", (str(program), "-c", str(configuration)), {"PATH": path})


def kubelet(layout: Layout, configuration: Path, programs: Mapping[str, Path]) -> Component:
    """The node's agent."""
    return _component(
        "kubelet",
        programs["kubelet"],
        {
            "config": configuration,
            "kubeconfig": layout.kubeconfig("kubelet"),
            "root-dir": layout.data / "kubelet",
            "cert-dir": layout.keys / "kubelet",
            "hostname-override": NODE_NAME,
            "node-ip": NODE_ADDRESS,
        },
    )


def kube_proxy(layout: Layout, programs: Mapping[str, Path]) -> Component:
    """Service addresses, by iptables rules in the sandbox's own network."""
    return _component(
        "kube-proxy",
        programs["kube-proxy"],
        {
            "kubeconfig": layout.kubeconfig("proxy"),
            "proxy-mode": "iptables",
            "hostname-override": NODE_NAME,
            "bind-address": NODE_ADDRESS,
            "metrics-bind-address": "127.0.0.1:10249",
            "healthz-bind-address": "127.0.0.1:10256",
            "iptables-min-sync-period": "100ms",
            "conntrack-max-per-core": 0,
            "conntrack-tcp-timeout-established": 0,
            "conntrack-tcp-timeout-close-wait": 0,
        },
    )


def dns(corefile: Path, programs: Mapping[str, Path]) -> Component:
    """CoreDNS on the node's address."""
    return Component("coredns", (str(programs["coredns"]), "-conf", str(corefile)), tcp=(NODE_ADDRESS, 53))


def registry(configuration: Path, address: tuple[str, int]) -> Component:
    """The registry."""
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    return Component("registry", ("docker-registry", "serve", str(configuration)), environment, tcp=address)


def neighbour(name: str, python: Path, address: tuple[str, int], state: Path, arguments: Sequence[str]) -> Component:
    """One of the sandbox's own imitations: a module `sandbox.<name>` that serves until it is ended.

    It says that it listens by writing `address.json` into its `state` folder.
    """
    listen = f"{address[0]}:{address[1]}"
    argv = (str(python), "-m", f"sandbox.{name}", "--listen", listen, "--state", str(state), *arguments)
    return Component(name, argv, tcp=address)


def _component(name: str, program: Path, flags: Mapping[str, object]) -> Component:
    words = []
    for flag, value in flags.items():
        words.append(f"--{flag}={str(value).lower() if isinstance(value, bool) else value}")
    return Component(name, (str(program), *words))
