"""Images: what is there already, copying one that isn't, building several, hashing many files."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.stack.objects import Ref
from sandbox.state import VARIABLE, State, read_state
from tests.bench.rows import Row, alternating, run
from tests.contract.kube.test_build_jobs import put
from tests.support.registry import TestRegistry, running_registry

_TURNS = 5
_FILES = 20_000
_HASH = """
import sys
from pathlib import Path
from codexctl_ci.images.context import describe_context, hash_of, ignore_of
from codexctl_ci.images.file_hashes import FileHashes
root, store = Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None
hashes = FileHashes(store)
hash_of(describe_context(root, ignore_of(root, root / "Dockerfile"), hashes))
hashes.save()
print(hashes.read)
"""


def rows() -> Iterator[Row]:
    """All of them; two registries and the sandbox's cluster."""
    state = read_state(Path(os.environ[VARIABLE]))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with running_registry(folder / "up") as up, running_registry(folder / "own") as own:
            yield from _there(state, folder / "there", up, own)
            yield from _copied(folder / "copied", up, own)
        yield from _hashed(folder / "hashed")
        yield from _built(state, folder / "built")


class _Project:
    """A services.yaml with these images, and our command line over it."""

    def __init__(self, root: Path, images: dict[str, dict[str, object]], **environ: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "services.yaml").write_text(json.dumps({"project": "bench", "images": images}))
        self.root = root
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "PYTHONPATH": str(Path.cwd()),
            "CODEXCTL_CONFIG": str(root / "services.yaml"),
            **environ,
        }

    def run(self, *words: str) -> float:
        """Seconds of a whole process."""
        return run([sys.executable, "-m", "codexctl_ci", *words], self.environ).seconds


def _there(state: State, folder: Path, up: TestRegistry, own: TestRegistry) -> Iterator[Row]:
    images: dict[str, dict[str, object]] = {}
    up.push("base:1", {"bin": b"base"})
    for number in range(10):
        (folder / f"app{number}").mkdir(parents=True)
        (folder / f"app{number}" / "Dockerfile").write_text(f"FROM {up.host}/base:1\nCOPY page /page\n")
        (folder / f"app{number}" / "page").write_text(str(number))
        images[f"app{number}"] = {
            "type": "build",
            "repository": f"{own.host}/app{number}",
            "tag": "v1",
            "context": f"app{number}",
            "dockerfile": f"app{number}/Dockerfile",
        }
    more = {
        "CODEXCTL_KANIKO_EXECUTOR": str(state.kaniko_executor),
        "CODEXCTL_KANIKO_INSECURE": "true",
        "SANDBOX_KANIKO_STORAGE": str(folder / "storage"),
    }
    builds = _Project(folder, images, **more)
    builds.run("images", "build")
    for number in range(10):
        up.push(f"ext{number}:1", {"bin": str(number).encode()})
    external = {
        f"ext{n}": {"type": "external", "from": f"{up.host}/ext{n}:1", "local": f"{own.host}/ext{n}:1"}
        for n in range(10)
    }
    mirrors = _Project(folder / "mirror", external)  # type: ignore[arg-type]  # texts are objects
    mirrors.run("images", "mirror")
    heads = len(own.requests("HEAD")) + len(up.requests("HEAD"))
    builds.run("images", "build")
    asked = len(own.requests("HEAD")) + len(up.requests("HEAD")) - heads
    bare = alternating(_TURNS, bare=lambda: run([sys.executable, "-c", "pass"], builds.environ).seconds)["bare"]
    found = alternating(
        _TURNS, builds=lambda: builds.run("images", "build"), mirrors=lambda: mirrors.run("images", "mirror")
    )
    yield Row("10 unchanged builds, whole process", found["builds"], bare, 0.6, "s")
    yield Row("10 unchanged builds of one base, HEAD requests", asked, 11, 11, "requests")
    yield Row("10 images mirrored already, whole process", found["mirrors"], bare, 0.6, "s")


def _copied(folder: Path, up: TestRegistry, own: TestRegistry) -> Iterator[Row]:
    files = {f"part{n}": os.urandom(25_000_000) for n in range(4)}
    up.push("large:1", files, ("linux/amd64", "linux/arm64"))
    source = f"{up.host}/large:1"

    def ours() -> float:
        target = f"{own.host}/ours-{uuid.uuid4().hex}:1"
        images: dict[str, dict[str, object]] = {"large": {"type": "external", "from": source, "local": target}}
        return _Project(folder, images).run("images", "mirror")

    def crane() -> float:
        argv = ["crane", "copy", source, f"{own.host}/crane-{uuid.uuid4().hex}:1"]
        return run(argv, {"PATH": os.environ["PATH"], "HOME": str(folder)}).seconds

    found = alternating(_TURNS, ours=ours, crane=crane)
    yield Row(
        "missing image of two platforms, 200 MB, against crane copy", found["ours"] / found["crane"], 1.0, 1.2, "x"
    )


def _hashed(folder: Path) -> Iterator[Row]:
    for number in range(_FILES):
        place = folder / f"d{number % 200}"
        if number < 200:
            place.mkdir(parents=True)
        (place / f"f{number}.py").write_text(f"value = {number}\n" * 40)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "PYTHONPATH": str(Path.cwd())}
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.com", "-C", str(folder)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        run([*git, *words], environ)
    store = folder.parent / "store.json"

    def hashed(where: str) -> float:
        return run([sys.executable, "-c", _HASH, str(folder), where], environ).seconds

    def status() -> float:
        # An index without times: git sees each file for the first time.
        run([*git, "read-tree", "HEAD"], environ)
        return run([*git, "status", "--porcelain"], environ).seconds

    found = alternating(_TURNS, ours=lambda: hashed(""), git=status)
    yield Row("20,000 files hashed at first sight, against git status", found["ours"] / found["git"], 0.5, 2.0, "x")
    hashed(str(store))
    argv = [sys.executable, "-c", _HASH, str(folder), str(store)]
    read = subprocess.run(argv, env=environ, stdout=subprocess.PIPE, check=True).stdout
    yield Row("20,000 files, nothing changed: files read again", float(read), 0, 0, "files")
    known = statistics.median(hashed(str(store)) for _ in range(_TURNS))
    yield Row("20,000 files, nothing changed, against first sight", known / found["ours"], 0.1, 1.0, "x")
    shutil.rmtree(folder)


def _built(state: State, folder: Path) -> Iterator[Row]:
    cluster = Cluster.open(load_connection({}, kubeconfig=str(state.kubeconfig)))
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        put(cluster, namespace)
        (folder / "web").mkdir(parents=True)
        (folder / "web" / "Dockerfile").write_text("FROM scratch\nCOPY page /page\n")
        (folder / "web" / "page").write_text("page\n")

        def build(parallel: int) -> float:
            fresh = uuid.uuid4().hex
            images: dict[str, dict[str, object]] = {
                f"web{n}": {
                    "type": "build",
                    "repository": f"{state.registry}/{namespace}/web{n}",
                    "tag": fresh,
                    "context": "web",
                    "dockerfile": "web/Dockerfile",
                    "buildArgs": {"FRESH": fresh},
                }
                for n in range(4)
            }
            project = _Project(
                folder,
                images,
                KUBECONFIG=str(state.kubeconfig),
                CODEXCTL_NAMESPACE=namespace,
                CODEXCTL_WORKSPACE_PVC="shop-workspace",
                CODEXCTL_BUILDER="job",
                CODEXCTL_KANIKO_IMAGE=state.kaniko_image,
                CODEXCTL_KANIKO_PRIVILEGED="true",
                CODEXCTL_KANIKO_INSECURE="true",
            )
            return project.run("images", "build", "--max-parallel", str(parallel))

        build(4)
        found = alternating(2, together=lambda: build(4), one_by_one=lambda: build(1))
        yield Row("4 build Jobs, against one after another", found["together"] / found["one_by_one"], 0.5, 0.7, "x")
    finally:
        cluster.delete(Ref("v1", "Namespace", namespace))
