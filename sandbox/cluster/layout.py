"""Where things are: addresses inside the sandbox's own network, files below its folder."""

from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "node-1"
NODE_ADDRESS = "10.245.0.1"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
POD_RANGE = "10.244.0.0/24"
CLUSTER_DOMAIN = "cluster.local"
API_PORT, KUBELET_PORT, REGISTRY_PORT, GITHUB_PORT, MODEL_PORT = 6443, 10250, 5000, 8080, 8081
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380

API_SERVER = f"https://{NODE_ADDRESS}:{API_PORT}"
REGISTRY = f"{NODE_ADDRESS}:{REGISTRY_PORT}"

# Where the controller manager's host-path provisioner puts volumes; it has no option for that.
PROVISIONED_VOLUMES = Path("/tmp/hostpath_pv")


@dataclass(frozen=True)
class Layout:
    """The folder of one sandbox. It lies on a real disk, and nothing in it outlives the sandbox."""

    home: Path

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.home / "logs"

    @property
    def keys(self) -> Path:
        """Keys, certificates and tokens."""
        return self.home / "keys"

    @property
    def config(self) -> Path:
        """Configuration files of the components."""
        return self.home / "config"

    @property
    def data(self) -> Path:
        """What the components store."""
        return self.home / "data"

    @property
    def private(self) -> Path:
        """Upper folders of what is laid over the machine's own `/etc` and `/var`."""
        return self.home / "private"

    @property
    def volumes(self) -> Path:
        """Data of provisioned volumes."""
        return self.data / "volumes"

    @property
    def containerd_socket(self) -> Path:
        """Where the container runtime listens. Sockets must have short paths, and `/run` is the sandbox's own."""
        return Path("/run/containerd/containerd.sock")

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one user; `admin` is the one for people and tests."""
        return self.home / ("kubeconfig" if user == "admin" else f"config/kubeconfig-{user}")

    @property
    def model_key_file(self) -> Path:
        """The keys that the model accepts, one a line."""
        return self.keys / "model-keys"

    @property
    def state(self) -> Path:
        """What others need to know of a running sandbox, as JSON."""
        return self.home / "state.json"

    def create(self) -> None:
        """Makes the folders."""
        for folder in (self.logs, self.keys, self.config, self.data, self.private, self.volumes):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.chmod(0o700)
