"""All that has to be there before a sandbox can start; made once, then found in a few milliseconds."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox.bootstrap.cache import cache_root
from sandbox.bootstrap.preflight import ensure_machine
from sandbox.bootstrap.progress import Progress
from sandbox.bootstrap.tools import CLUSTER_TOOLS, ensure_tools
from sandbox.images.catalog import KANIKO_STAND_IN, REAL_KANIKO, ensure_registry

KANIKO_VARIABLE = "SANDBOX_KANIKO_EXECUTOR"


@dataclass(frozen=True)
class Prepared:
    """Programs by name, the registry's storage with all base images, and where clone and cache are."""

    tree: Path
    cache: Path
    programs: Mapping[str, Path]
    registry_storage: Path
    kaniko_executor: Path
    kaniko_image: str
    path: tuple[Path, ...]


def prepare(tree: Path, progress: Progress) -> Prepared:
    """Builds tools and images that are missing, both at the same time. Raises `SetupError`."""
    ensure_machine(progress)
    real = os.environ.get(KANIKO_VARIABLE)
    executor = Path(real).resolve() if real else tree / "sandbox" / "kaniko" / "executor"
    with ThreadPoolExecutor(max_workers=1) as pool:
        registry = pool.submit(ensure_registry, tree, executor if real else None, progress)
        folders = ensure_tools(tree, CLUSTER_TOOLS, progress)
        storage = registry.result()
    programs = {
        program: folder / program
        for tool, folder in zip(CLUSTER_TOOLS, folders, strict=True)
        for program in tool.programs
    }
    path = (tree / ".venv" / "bin", *folders)
    image = REAL_KANIKO if real else KANIKO_STAND_IN
    return Prepared(tree, cache_root(), programs, storage, executor, image, path)
