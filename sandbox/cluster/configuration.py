"""The configuration files of the components."""

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster.layout import (
    API_SERVER,
    CLUSTER_DOMAIN,
    KUBELET_PORT,
    NODE_ADDRESS,
    NODE_NAME,
    POD_RANGE,
    REGISTRY,
    Layout,
)
from sandbox.images.catalog import PAUSE


@dataclass(frozen=True)
class User:
    """Who may call the API server with a token of its own."""

    name: str
    login: str
    group: str = ""


USERS = (
    User("admin", "admin", "system:masters"),
    User("controller-manager", "system:kube-controller-manager"),
    User("scheduler", "system:kube-scheduler"),
    User("kubelet", f"system:node:{NODE_NAME}", "system:nodes"),
    User("proxy", "system:kube-proxy"),
    User("dns", "sandbox:dns", "system:masters"),
)


def write_users(layout: Layout) -> None:
    """Writes the API server's token file and a kubeconfig for each user."""
    lines = []
    for user in USERS:
        token = secrets.token_urlsafe(24)
        lines.append(",".join(filter(None, [token, user.login, user.name, user.group])))
        _secret(layout.kubeconfig(user.name), kubeconfig(user.name, token, layout.keys / "ca.crt"))
    _secret(layout.keys / "tokens.csv", "\n".join(lines) + "\n")


def kubeconfig(user: str, token: str, authority: Path, namespace: str = "default") -> str:
    """The text of a kubeconfig for someone with a token; works from any folder, since it holds the certificate."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "sandbox",
                    "cluster": {
                        "server": API_SERVER,
                        "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
                    },
                }
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user, "namespace": namespace}}],
            "current-context": "sandbox",
        },
        indent=1,
    )


def write_registry(layout: Layout, storage: Path) -> Path:
    """The registry: deletion allowed, plain HTTP on the node's address."""
    return _write(
        layout.config / "registry.yml",
        {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(storage)},
                "delete": {"enabled": True},
                "cache": {"blobdescriptor": "inmemory"},
            },
            "http": {"addr": REGISTRY},
        },
    )


def write_containerd(layout: Layout) -> Path:
    """The container runtime. Images of Docker Hub come from the sandbox's registry, under their own names."""
    for host, path in ((REGISTRY, REGISTRY), ("docker.io", REGISTRY)):
        folder = layout.config / "certs.d" / host
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(
            f'server = "http://{REGISTRY}"\n[host."http://{path}"]\n  capabilities = ["pull", "resolve"]\n'
        )
    cni = layout.config / "cni"
    cni.mkdir()
    _write(
        cni / "10-pods.conflist",
        {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                # Routed, not bridged: Services between pods then need no kernel module that filters bridges.
                {
                    "type": "ptp",
                    "ipMasq": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": POD_RANGE}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
    )
    file = layout.config / "containerd.toml"
    file.write_text(f"""version = 3
root = "{layout.data}/containerd"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.tracing", "io.containerd.nri.v1.nri"]
[grpc]
  address = "{layout.containerd_socket}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  max_concurrent_downloads = 6
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{REGISTRY}/{PAUSE}"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "{layout.config}/certs.d"
[plugins.'io.containerd.cri.v1.runtime']
  # Without the capability to raise scores back (as in many containers), no container would start.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
""")
    return file


def write_kubelet(layout: Layout) -> Path:
    """The node's agent; only the API server may call it."""
    return _write(
        layout.config / "kubelet.json",
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "port": KUBELET_PORT,
            "healthzBindAddress": "127.0.0.1",
            "tlsCertFile": str(layout.keys / "kubelet.crt"),
            "tlsPrivateKeyFile": str(layout.keys / "kubelet.key"),
            "failSwapOn": False,
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.keys / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": CLUSTER_DOMAIN,
            "resolvConf": "",
            "evictionHard": {},
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(layout.data / "pod-logs"),
            "volumePluginDir": str(layout.data / "volume-plugins"),
            "serializeImagePulls": False,
            "nodeStatusUpdateFrequency": "4s",
            "registryPullQPS": 0,
            "eventRecordQPS": 0,
        },
    )


def write_dns(layout: Layout) -> Path:
    """Names of Services for pods and node alike, and the sandbox's own few names."""
    file = layout.config / "Corefile"
    file.write_text(f""".:53 {{
  bind {NODE_ADDRESS}
  errors
  hosts {{
    {NODE_ADDRESS} registry.sandbox github.sandbox model.sandbox
    fallthrough
  }}
  kubernetes {CLUSTER_DOMAIN} {{
    kubeconfig {layout.kubeconfig("dns")}
    ttl 1
  }}
}}
""")
    return file


def _write(file: Path, value: object) -> Path:
    file.write_text(json.dumps(value, indent=1))
    return file


def _secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
