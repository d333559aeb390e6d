"""All that has to be there before a sandbox can start; made once, then found in a few milliseconds."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, prune
from sandbox.bootstrap.preflight import ensure_machine
from sandbox.bootstrap.progress import Progress
from sandbox.bootstrap.tools import CLUSTER_TOOLS, CONTAINERD, ensure_tools, tool_folder
from sandbox.images.catalog import KANIKO_STAND_IN, REAL_KANIKO, base_images, catalog_key, ensure_registry
from sandbox.images.unpacked import ensure_unpacked
from sandbox.wheels import ensure_wheels

UNUSED_FOR = timedelta(days=14)
KANIKO_VARIABLE = "SANDBOX_KANIKO_EXECUTOR"


@dataclass(frozen=True)
class Prepared:
    """Programs by name, the registry's storage with all base images, and where clone and cache are."""

    tree: Path
    cache: Path
    programs: Mapping[str, Path]
    registry_storage: Path
    unpacked_images: Path
    wheels: Path
    kaniko_executor: Path
    kaniko_image: str
    path: tuple[Path, ...]


def prepare(tree: Path, progress: Progress) -> Prepared:
    """Builds and fetches what is missing, all at the same time. Raises `SetupError`."""
    ensure_machine(progress)
    real = os.environ.get(KANIKO_VARIABLE)
    executor = Path(real).resolve() if real else tree / "sandbox" / "kaniko" / "executor"
    with ThreadPoolExecutor() as pool:
        making_images = pool.submit(base_images, tree, executor if real else None, progress)
        loading_wheels = pool.submit(ensure_wheels, tree, progress)
        folders = ensure_tools(tree, CLUSTER_TOOLS, progress)
        images, wheels = making_images.result(), loading_wheels.result()
    storage = ensure_registry(images)
    containerd = tool_folder(tree, CONTAINERD)
    unpacked = ensure_unpacked(tree, images, catalog_key(images), containerd, progress)
    _prune()
    programs = {
        program: folder / program
        for tool, folder in zip(CLUSTER_TOOLS, folders, strict=True)
        for program in tool.programs
    }
    path = (tree / ".venv" / "bin", *folders)
    image = REAL_KANIKO if real else KANIKO_STAND_IN
    return Prepared(tree, cache_root(), programs, storage, unpacked, wheels, executor, image, path)


def _prune() -> None:
    """Removes what no clone has used for two weeks and no running sandbox is made of."""
    in_use: set[str | None] = set()
    for order in cache_root().glob("run/*/order.json"):
        content = json.loads(order.read_text())
        # A sandbox of another clone may have been started by another version of this.
        in_use |= {content.get(name) for name in ("registry_storage", "unpacked_images", "wheels")}
        in_use |= {str(Path(program).parent) for program in content["programs"].values()}
    for kind in ("tools", "layers", "registry", "unpacked", "wheels", "logs"):
        prune(cache_root() / kind, UNUSED_FOR, in_use)
