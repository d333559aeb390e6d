"""Images as the OCI describes them: configuration and manifest over shared layers."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.images.layers import Layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image: its names in the registry (`repository:tag`), its layers from the bottom up, and how it starts."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"

    def config(self) -> bytes:
        """The OCI image configuration; the same image always gives the same bytes."""
        return _json(
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "created": "1970-01-01T00:00:00Z",
                "config": {
                    "Env": [f"{name}={value}" for name, value in sorted(self.environment.items())],
                    "Cmd": list(self.command) or None,
                    "Entrypoint": list(self.entrypoint) or None,
                    "WorkingDir": self.working_dir,
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]},
                "history": [{"created": "1970-01-01T00:00:00Z"} for _ in self.layers],
            }
        )

    def manifest(self) -> bytes:
        """The OCI manifest."""
        config = self.config()
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [
                    {"mediaType": _LAYER, "digest": layer.digest, "size": layer.tar.stat().st_size}
                    for layer in self.layers
                ],
            }
        )


def digest_of(content: bytes) -> str:
    """The digest of a blob, `sha256:...`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
