"""The sandbox's own view of the machine: network, mounts, names. Called inside its namespaces."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from sandbox.cluster.layout import NODE_ADDRESS, PROVISIONED_VOLUMES, REGISTRY, SERVICE_RANGE, Layout
from sandbox.images.unpacked import CONTENT, SNAPSHOTS
from sandbox.wheels import pip_configuration, uv_configuration

_HOSTS = f"""127.0.0.1 localhost
::1 localhost ip6-localhost
{NODE_ADDRESS} registry.sandbox github.sandbox model.sandbox
"""
_REGISTRIES = f"""unqualified-search-registries = ["docker.io"]

[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "{REGISTRY}"
insecure = true
"""


def bring_up_network() -> None:
    """Gives the empty network namespace a node address and routes.

    Service addresses need a route, or programs on the node can't be redirected to pods; everything else outside is
    unreachable at once instead of after a timeout.
    """
    for arguments in (
        "link set lo up",
        f"address add {NODE_ADDRESS}/32 dev lo",
        f"route add {SERVICE_RANGE} dev lo src {NODE_ADDRESS}",
        "route add unreachable default metric 4096",
    ):
        subprocess.run(["ip", *arguments.split()], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def arrange_mounts(layout: Layout, keep: tuple[Path, ...]) -> None:
    """Makes `/etc` and `/var` copies that are written to privately, and `/run` an empty folder of the sandbox's own.

    The folders in `keep` (the clone, the cache) stay the machine's, wherever they lie.
    """
    kept = [path for path in keep if _inside(path, ("/etc", "/var", "/run"))]
    for number, path in enumerate(kept):
        place = layout.private / f"keep-{number}"
        place.mkdir()
        _mount("--bind", str(path), str(place))
    for name in ("etc", "var"):
        upper, work = layout.private / name, layout.private / f"{name}-work"
        upper.mkdir()
        work.mkdir()
        _mount("-t", "overlay", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}")
    _mount("-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for number, path in enumerate(kept):
        path.mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(layout.private / f"keep-{number}"), str(path))
    for folder in ("/run/lock", "/run/containerd", "/var/lib/cni", "/etc/containers"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(layout.volumes), str(PROVISIONED_VOLUMES))
    _replace(Path("/etc/resolv.conf"), f"nameserver {NODE_ADDRESS}\noptions ndots:1\n")
    _replace(Path("/etc/hosts"), _HOSTS)
    _replace(Path("/etc/containers/registries.conf"), _REGISTRIES)


def install_only_from(wheels: Path) -> None:
    """Makes pip and uv, whoever runs them in here, take packages from the folder `wheels`."""
    _replace(Path("/etc/pip.conf"), pip_configuration(wheels))
    Path("/etc/uv").mkdir(exist_ok=True)
    _replace(Path("/etc/uv/uv.toml"), uv_configuration(wheels))


def lay_over(lower: Path, layout: Layout, name: str) -> Path:
    """Returns a folder with the content of `lower` that can be written to without changing it."""
    root, upper, work = (layout.data / f"{name}{suffix}" for suffix in ("", "-upper", "-work"))
    for folder in (root, upper, work):
        folder.mkdir()
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", str(root))
    return root


def lend_images(unpacked: Path, root: Path) -> None:
    """Gives a container runtime with its folder at `root` the images in `unpacked`, without copying them.

    Its databases are copied, blobs are links, and each unpacked layer is mounted where the runtime expects it.
    """
    snapshots = unpacked / SNAPSHOTS / "snapshots"
    blobs = unpacked / CONTENT / "blobs"
    shutil.copytree(unpacked, root, ignore=lambda parent, _: _all_of(parent, (snapshots, blobs)))
    shutil.copytree(blobs, root / blobs.relative_to(unpacked), copy_function=os.link, dirs_exist_ok=True)
    for layer in snapshots.iterdir():
        place = root / layer.relative_to(unpacked)
        place.mkdir(parents=True)
        _mount("--bind", "--options", "ro", str(layer), str(place))


def die_with_parent() -> None:
    """Makes the kernel kill this process when its parent ends. For use between fork and exec."""
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)


def _all_of(parent: str, folders: tuple[Path, ...]) -> list[str]:
    return os.listdir(parent) if Path(parent) in folders else []  # noqa: PTH208 - names, as shutil wants them


def _inside(path: Path, roots: tuple[str, ...]) -> bool:
    return any(path.resolve().is_relative_to(root) for root in roots)


def _replace(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.write_text(text)
    os.chmod(file, 0o644)  # noqa: PTH101 - the umask of whoever started the sandbox must not matter


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
