"""The programs that are built from source: what, from which locked module, and where they end up."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, digest, ensure
from sandbox.bootstrap.go import Go, find_go
from sandbox.bootstrap.progress import Progress

_KUBERNETES = "1.36.3"
_KUBERNETES_VERSION = " ".join(
    f"-X {package}.gitVersion=v{_KUBERNETES} -X {package}.gitMajor=1 -X {package}.gitMinor=36"
    f" -X {package}.gitTreeState=clean"
    for package in ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
)
_CONTAINERD = "github.com/containerd/containerd/v2"


@dataclass(frozen=True)
class Tool:
    """One module below `sandbox/tools/` and how to build it. `programs` are the names that come out."""

    name: str
    programs: tuple[str, ...]
    package: str = "tool"
    tags: str = ""
    ldflags: str = ""
    cold: str = "a minute"


KUBERNETES = Tool(
    "kubernetes",
    ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"),
    ldflags=_KUBERNETES_VERSION,
    cold="5 minutes",
)
ETCD = Tool("etcd", ("etcd",))
CONTAINERD = Tool(
    "containerd",
    ("containerd", "containerd-shim-runc-v2", "ctr"),
    tags="no_btrfs,no_zfs,no_devmapper",
    ldflags=f"-X {_CONTAINERD}/version.Version=2.2.0",
)
COREDNS = Tool("coredns", ("coredns",), package=".")
CRANE = Tool("crane", ("crane",), cold="10 s")
ACTIONLINT = Tool("actionlint", ("actionlint",), cold="10 s")

CLUSTER_TOOLS = (CRANE, ETCD, CONTAINERD, KUBERNETES, COREDNS)


def tool_folder(tree: Path, tool: Tool) -> Path:
    """Where the programs of `tool` are, or will be: a folder that changes name with whatever they're made from."""
    module = tree / "sandbox" / "tools" / tool.name
    made_from = [path for path in sorted(module.iterdir()) if path.suffix in (".go", ".mod", ".sum")]
    return cache_root() / "tools" / f"{tool.name}-{digest(repr(tool), *made_from)}"


def ensure_tools(tree: Path, tools: Sequence[Tool], progress: Progress) -> list[Path]:
    """Returns the folders that hold the programs of `tools`, in their order, building those that are missing."""
    folders = [tool_folder(tree, tool) for tool in tools]
    missing = [tool for tool, folder in zip(tools, folders, strict=True) if not folder.is_dir()]
    for folder in folders:
        if folder.is_dir():
            os.utime(folder)
    if not missing:
        return folders
    go = find_go(tree, progress)
    for number, tool in enumerate(missing, start=1):
        with progress.step(f"building {tool.name}, {number} of {len(missing)} tools", expect=tool.cold):
            ensure(tool_folder(tree, tool), partial(_build, tree, tool, go))
    return folders


def _build(tree: Path, tool: Tool, go: Go, folder: Path) -> None:
    one_file = len(tool.programs) == 1
    go.build(
        tree / "sandbox" / "tools" / tool.name,
        output=str(folder / tool.programs[0]) if one_file else f"{folder}/",
        package=tool.package,
        tags=tool.tags,
        ldflags=tool.ldflags,
    )
