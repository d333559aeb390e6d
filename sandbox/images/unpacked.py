"""The base images as a container runtime keeps them: unpacked once, and then mounted into every sandbox's runtime.

`python -m sandbox.images.unpacked CONTAINERD_FOLDER ROOT` is the half that runs in a mount namespace of its own: it
imports the archive on its standard input.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sandbox.bootstrap.cache import cache_root, digest, ensure
from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.cluster.layout import REGISTRY
from sandbox.images.oci import MANIFEST, Image, digest_of

CONTENT = "io.containerd.content.v1.content"
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs"
_SOCKET = Path("/run/containerd/containerd.sock")
_CONFIGURATION = """version = 3
root = "{root}"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
  address = "{socket}"
"""


def ensure_unpacked(tree: Path, images: Sequence[Image], key: str, containerd: Path, progress: Progress) -> Path:
    """Returns the runtime's folder with all images unpacked. `containerd` is the folder of its programs."""

    def build(folder: Path) -> None:
        with progress.step("unpacking base images for the container runtime", expect="30 s"):
            namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
            argv = [*namespaces, sys.executable, "-m", "sandbox.images.unpacked", str(containerd), str(folder)]
            process = subprocess.Popen(argv, cwd=tree, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            assert process.stdin and process.stderr
            try:
                _write_archive(process.stdin, images)
                process.stdin.close()
            except BrokenPipeError:
                pass  # It has ended, and says why below.
            message = process.stderr.read().decode(errors="replace")
            if process.wait() != 0:
                raise SetupError(f"the base images could not be unpacked:\n{message}")
            _share_blobs(folder, images)

    return ensure(cache_root() / "unpacked" / f"images-{digest(key, containerd.name)}", build)


def runtime_names(name: str) -> list[str]:
    """What the runtime calls an image of the registry; those of Docker Hub have two names."""
    names = [f"{REGISTRY}/{name}"]
    return [*names, f"docker.io/{name}"] if name.startswith("library/") else names


def _write_archive(stream: IO[bytes], images: Sequence[Image]) -> None:
    """Writes an OCI image layout as a tar stream."""
    blobs: dict[str, bytes | Path] = {}
    manifests = []
    for image in images:
        config, manifest = image.config(), image.manifest()
        blobs |= {digest_of(config): config, digest_of(manifest): manifest}
        blobs |= {layer.digest: layer.tar for layer in image.layers}
        descriptor = {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}
        for name in image.names:
            for full in runtime_names(name):
                manifests.append({**descriptor, "annotations": {"io.containerd.image.name": full}})
    index = {"schemaVersion": 2, "manifests": manifests}
    files: dict[str, bytes | Path] = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **{f"blobs/{name.replace(':', '/')}": content for name, content in blobs.items()},
    }
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as source:
                entry.size = content.stat().st_size if isinstance(content, Path) else len(content)
                tar.addfile(entry, source)


def _share_blobs(folder: Path, images: Sequence[Image]) -> None:
    """Makes the runtime's copies of layers links to the cache's: they never change."""
    for layer in {layer.digest: layer for image in images for layer in image.layers}.values():
        blob = folder / CONTENT / "blobs" / layer.digest.replace(":", "/")
        blob.unlink()
        os.link(layer.tar, blob)


def _import(containerd: Path, root: Path) -> int:
    subprocess.run(["mount", "-t", "tmpfs", "run", "/run"], check=True)
    _SOCKET.parent.mkdir()
    configuration = Path("/run/containerd.toml")
    configuration.write_text(_CONFIGURATION.format(root=root, socket=_SOCKET))
    log = Path("/run/containerd.log")
    with log.open("wb") as output:
        server = subprocess.Popen([containerd / "containerd", "-c", configuration], stdout=output, stderr=output)
    deadline = time.monotonic() + 30
    while not _SOCKET.exists() and server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    ctr = [str(containerd / "ctr"), "--namespace", "k8s.io", "images", "import", "--snapshotter", "overlayfs", "-"]
    code = subprocess.run(ctr, stdout=sys.stderr, check=False).returncode
    server.terminate()
    server.wait()
    if code != 0:
        shutil.copyfileobj(log.open(), sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(_import(Path(sys.argv[1]), Path(sys.argv[2])))
